//! Servers that are names: a real name server, whose records change.

use std::collections::HashSet;
use std::net::UdpSocket;

use super::forwarding;
use crate::harness::{Dnsmasq, TestGateway, Upstream, eventually, get};

fn said(gateway: &TestGateway, count: usize) -> HashSet<String> {
    let mut client = gateway.connect();
    (0..count).map(|_| client.request("GET", "/", &[], "").unwrap().text()).collect()
}

fn eventually_only(gateway: &TestGateway, names: &[&str]) {
    let names: HashSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    eventually(&format!("{names:?} alone"), || (said(gateway, 6) == names).then_some(()));
}

#[test]
fn every_address_is_used_and_a_changed_record_within_its_time_to_live() {
    let servers = Upstream::at_one_port(["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let mut names = Dnsmasq::with("host-record=api.test,127.0.0.1\nhost-record=api.test,127.0.0.2");
    let port = servers[0].port();
    let gateway = forwarding(&format!(
        "servers: \"api.test:{port}\", resolver: \"{}\", host: upstream",
        names.address()
    ));
    assert_eq!(said(&gateway, 2).len(), 2, "the first request waits for the name");
    let head = servers[1].heads().pop().unwrap();
    assert!(head.contains(&format!("\r\nhost: api.test:{port}\r\n")), "{head}");
    names.replace("host-record=api.test,127.0.0.3");
    eventually_only(&gateway, &["127.0.0.3"]);
    gateway.log().wait_for_texts(&["a name was looked up", "api.test", "127.0.0.3:"]);
}

#[test]
fn addresses_of_both_kinds_are_used() {
    let servers = Upstream::at_one_port(["127.0.0.1", "::1"]);
    let names = Dnsmasq::with("host-record=api.test,127.0.0.1,::1");
    let port = servers[0].port();
    let gateway = forwarding(&format!("servers: \"api.test:{port}\", resolver: \"{}\"", names.address()));
    assert_eq!(said(&gateway, 2), ["127.0.0.1", "::1"].map(str::to_owned).into());
}

#[test]
fn a_look_up_that_fails_keeps_the_last_addresses() {
    let server = Upstream::always(|peer| peer.say("still there"));
    let mut names = Dnsmasq::with("host-record=api.test,127.0.0.1");
    let gateway =
        forwarding(&format!("servers: \"api.test:{}\", resolver: \"{}\"", server.port(), names.address()));
    assert_eq!(get(&gateway.address(), "/").text(), "still there");
    // It knows nothing more of the name.
    names.replace("");
    gateway.log().wait_for_texts(&["failed to look a name up; what it had before stays", "api.test"]);
    assert_eq!(get(&gateway.address(), "/").text(), "still there");
}

#[test]
fn a_name_that_is_not_known_yet_is_tried_again() {
    let server = Upstream::always(|peer| peer.say("found"));
    let mut names = Dnsmasq::with("");
    let gateway =
        forwarding(&format!("servers: \"api.test:{}\", resolver: \"{}\"", server.port(), names.address()));
    assert_eq!(get(&gateway.address(), "/").status, 502);
    let application = "http at vestibule.yaml:";
    gateway.log().wait_for_texts(&["failed to look a name up", "\"api.test", application]);
    gateway.log().wait_for_texts(&["V-UPSTREAM", &format!("failed to forward to {application}")]);
    names.replace("host-record=api.test,127.0.0.1");
    eventually("the name to be known", || (get(&gateway.address(), "/").text() == "found").then_some(()));
}

#[test]
fn services_have_ports_weights_and_backups() {
    let says = |name: &'static str| Upstream::always(move |peer| peer.say(name));
    let (heavy, light, backup) = (says("heavy"), says("light"), says("backup"));
    let records = |servers: &[(&Upstream, u16, u16)]| {
        let lines = servers.iter().map(|(server, priority, weight)| {
            format!("srv-host=_http._tcp.api.test,one.test,{},{priority},{weight}", server.port())
        });
        format!("host-record=one.test,127.0.0.1\n{}", lines.collect::<Vec<_>>().join("\n"))
    };
    let mut names = Dnsmasq::with(&records(&[(&heavy, 10, 30), (&light, 10, 10), (&backup, 20, 10)]));
    let gateway =
        forwarding(&format!("servers: {{ srv: _http._tcp.api.test }}, resolver: \"{}\"", names.address()));
    let mut client = gateway.connect();
    let mut said = || client.request("GET", "/", &[], "").unwrap().text();
    let said: Vec<_> = (0..40).map(|_| said()).collect();
    let count = |name: &str| said.iter().filter(|said| *said == name).count();
    assert_eq!((count("heavy"), count("light"), count("backup")), (30, 10, 0));
    names.replace(&records(&[(&backup, 20, 10)]));
    eventually_only(&gateway, &["backup"]);
}

#[test]
fn a_long_answer_comes_whole_and_only_so_many_addresses_are_used() {
    let records: Vec<_> = (1..=100).map(|number| format!("host-record=api.test,127.0.1.{number}")).collect();
    let names = Dnsmasq::with(&records.join("\n"));
    let gateway = forwarding(&format!("servers: \"api.test:80\", resolver: \"{}\"", names.address()));
    let told = gateway.log().wait_for_texts(&["a name was looked up", "api.test"]);
    assert_eq!(told.matches("127.0.1.").count(), 64, "{told}");
}

#[test]
fn a_name_server_that_talks_nonsense_or_nothing_costs_only_the_wait() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            // The number of the question, and then what is no answer: many records are announced, and a name points at
            // itself.
            query[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);
            let mut answer = query[..length].to_vec();
            answer.extend_from_slice(&[
                0xc0,
                u8::try_from(length).unwrap_or(0),
                0,
                1,
                0,
                1,
                0,
                0,
                0,
                1,
                0xff,
                0xff,
            ]);
            let _ = socket.send_to(&answer, from);
        }
    });
    let gateway =
        forwarding(&format!("servers: \"api.test:80\", resolver: \"{address}\", connect_timeout: 300ms"));
    assert_eq!(get(&gateway.address(), "/").status, 502);
    assert_eq!(get(&gateway.address(), "/").status, 502);
}

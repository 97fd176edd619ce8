//! The choice, from the YAML a user writes; time stands still but where a test moves it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use http_environ::Environ;
use vestibule_layers::Body;

use super::entry::Target;
use super::*;
use crate::backend::from_yaml;
use crate::backend::http::KIND;

const THREE: &str = "servers: [\"10.0.0.1:80\", \"10.0.0.2:80\", \"10.0.0.3:80\"]";

fn balancer(yaml: &str) -> Balancer<()> {
    balancer_of(yaml, 1)
}

fn balancer_of(yaml: &str, cores: usize) -> Balancer<()> {
    let checked = from_yaml::settings(&KIND, &format!("{{ {yaml} }}"), Path::new("")).unwrap();
    let settings: &crate::backend::http::Settings = checked.get();
    Balancer::new(&settings.balance, &settings.servers, cores, || ())
}

impl Balancer<()> {
    fn of(&self, number: u8) -> Arc<Endpoint> {
        let (_, endpoints) = self.group.list();
        let address = format!("10.0.0.{number}:80");
        endpoints.into_iter().find(|endpoint| endpoint.server().to_string() == address).unwrap()
    }

    /// The last digits of the addresses that so many requests go to, each of them over before the next.
    fn turns(&self, count: usize) -> String {
        (0..count).map(|_| digit(&self.choose(&Wish::Any, &[]).unwrap())).collect()
    }

    fn counted(&self, count: usize) -> HashMap<char, usize> {
        self.turns(count).chars().fold(HashMap::new(), |mut counts, digit| {
            *counts.entry(digit).or_default() += 1;
            counts
        })
    }

    fn to(&self, wish: &Wish) -> char {
        digit(&self.choose(wish, &[]).unwrap())
    }
}

fn digit(chosen: &Chosen<()>) -> char {
    chosen.place.endpoint.server().to_string().strip_suffix(":80").unwrap().chars().last().unwrap()
}

fn target(number: u8) -> Target {
    let server = format!("10.0.0.{number}:80").parse().unwrap();
    Target { server, weight: 1, backup: false }
}

fn asked(headers: &[(&'static str, &str)]) -> Request {
    let mut request = http::Request::get("/shop/a").body(Body::Empty).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let environ = Environ::for_target(request.uri()).unwrap();
    request.extensions_mut().insert(environ);
    request
}

#[tokio::test]
async fn servers_take_turns() {
    assert_eq!(balancer(THREE).turns(7), "1231231");
}

#[tokio::test]
async fn heavier_servers_come_more_often_and_evenly() {
    let servers = "servers: [ { address: \"10.0.0.1:80\", weight: 5 }, \"10.0.0.2:80\", \"10.0.0.3:80\" ]";
    assert_eq!(balancer(servers).turns(14), "11213111121311");
}

#[tokio::test]
async fn cores_begin_at_different_servers() {
    let balancer = balancer_of(THREE, 5);
    let first = |core: &Mutex<Core<()>>| {
        let mut core = core.lock().unwrap();
        core.follow(&balancer.group, &|| ());
        core.pick(&Method::RoundRobin, &Wish::Any, &[]).unwrap()
    };
    assert_eq!(balancer.cores.iter().map(first).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
}

#[tokio::test]
async fn a_backup_serves_only_where_no_other_can() {
    let balancer = balancer("servers: [\"10.0.0.1:80\", { address: \"10.0.0.2:80\", backup: true }]");
    assert_eq!(balancer.turns(3), "111");
    balancer.of(1).set_down(true);
    assert_eq!(balancer.turns(3), "222");
    balancer.of(1).set_down(false);
    assert_eq!(balancer.turns(3), "111");
}

#[tokio::test]
async fn a_request_is_tried_at_three_servers_and_never_twice_at_one() {
    for (settings, most) in [("", 3), (", retry: { attempts: 2 }", 2), (", retry: { attempts: 9 }", 4)] {
        let four = THREE.replace(']', ", \"10.0.0.4:80\"]");
        let balancer = balancer(&format!("{four}{settings}"));
        let (mut tried, mut seen) = (Vec::new(), String::new());
        let refused = loop {
            match balancer.choose(&Wish::Any, &tried) {
                Ok(chosen) => {
                    seen.push(digit(&chosen));
                    tried.push(chosen.place);
                }
                Err(refused) => break refused,
            }
        };
        assert_eq!((refused, seen.as_str()), (Refused::NoneLeft, &"1234"[..most]));
    }
}

#[tokio::test(start_paused = true)]
async fn when_too_many_fail_no_request_is_tried_again() {
    let balancer = balancer(&format!("{THREE}, retry: {{ budget: 10 }}"));
    // Each of a hundred requests fails once: ten a second are free, and each puts a tenth in.
    let retried = (0..100).filter(|_| {
        let first = balancer.choose(&Wish::Any, &[]).unwrap();
        match balancer.choose(&Wish::Any, &[first.place]) {
            Ok(_) => true,
            Err(refused) => {
                assert_eq!(refused, Refused::Spent);
                false
            }
        }
    });
    assert!((19..=20).contains(&retried.count()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_connection_is_passed_over_for_a_while() {
    let balancer = balancer(THREE);
    balancer.of(2).failed(Failed::Unreachable, &"refused");
    assert_eq!(balancer.turns(4), "1313");
    tokio::time::advance(Duration::from_millis(9_990)).await;
    assert_eq!(balancer.turns(2), "13");
    tokio::time::advance(Duration::from_millis(20)).await;
    assert!(balancer.turns(3).contains('2'));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_passed_over_after_some_failures_in_a_row() {
    let balancer = balancer(&format!("{THREE}, eject: {{ failures: 2, time: 5s }}"));
    let second = balancer.of(2);
    for _ in 0..3 {
        second.failed(Failed::Unanswered, &"broken off");
        second.succeeded();
    }
    assert!(balancer.turns(3).contains('2'), "not in a row");
    second.failed(Failed::Unanswered, &"broken off");
    second.failed(Failed::Unanswered, &"broken off");
    assert!(!balancer.turns(6).contains('2'));
    // When it is back, one more failure is enough.
    tokio::time::advance(Duration::from_millis(5_010)).await;
    assert!(balancer.turns(3).contains('2'));
    second.failed(Failed::Unanswered, &"broken off");
    assert!(!balancer.turns(6).contains('2'));
    tokio::time::advance(Duration::from_millis(5_010)).await;
    second.succeeded();
    second.failed(Failed::Unanswered, &"broken off");
    assert!(balancer.turns(3).contains('2'), "it has answered in between");
}

#[tokio::test]
async fn answers_with_certain_statuses_count_as_failures() {
    let balancer = balancer(&format!("{THREE}, eject: {{ failures: 1, status: [500-599, 429] }}"));
    for (number, status) in [(1, 404), (2, 503), (3, 429)] {
        balancer.answered(&balancer.of(number), StatusCode::from_u16(status).unwrap());
    }
    assert_eq!(balancer.turns(3), "111");
}

#[tokio::test]
async fn where_all_have_failed_they_are_asked_all_the_same() {
    let balancer = balancer(THREE);
    (1..=3).for_each(|number| balancer.of(number).failed(Failed::Unreachable, &"refused"));
    assert_eq!(balancer.turns(3), "123");
}

#[tokio::test]
async fn where_all_are_down_none_is_asked() {
    let balancer = balancer(THREE);
    (1..=3).for_each(|number| balancer.of(number).set_down(true));
    assert_eq!(balancer.choose(&Wish::Any, &[]).err(), Some(Refused::NoneLeft));
}

#[tokio::test]
async fn a_server_has_no_more_requests_at_once_than_it_may() {
    let balancer = balancer(&format!("{THREE}, max_in_flight: 2"));
    let mut held: Vec<_> = (0..6).map(|_| balancer.choose(&Wish::Any, &[]).unwrap()).collect();
    assert_eq!(held.iter().map(digit).collect::<String>(), "123123");
    assert_eq!(balancer.choose(&Wish::Any, &[]).err(), Some(Refused::Full));
    held.remove(4);
    assert_eq!(balancer.turns(2), "22");
}

#[tokio::test]
async fn the_server_with_the_fewest_requests_is_chosen() {
    let balancer = balancer(&format!("{THREE}, balance: least_requests"));
    assert_eq!(balancer.turns(4), "1231", "those that are equal take turns");
    let held: Vec<_> = (0..5).map(|_| balancer.choose(&Wish::Any, &[]).unwrap()).collect();
    let free =
        "123".chars().find(|digit| held.iter().filter(|held| self::digit(held) == *digit).count() == 1);
    assert_eq!(balancer.turns(3), free.unwrap().to_string().repeat(3));
}

#[tokio::test]
async fn a_heavier_server_may_have_more_requests() {
    let servers = "servers: [ { address: \"10.0.0.1:80\", weight: 3 }, \"10.0.0.2:80\" ]";
    let balancer = balancer(&format!("{servers}, balance: least_requests"));
    let held: Vec<_> = (0..8).map(|_| balancer.choose(&Wish::Any, &[]).unwrap()).collect();
    assert_eq!(held.iter().filter(|held| digit(held) == '1').count(), 6);
}

#[tokio::test]
async fn of_two_at_random_the_one_with_fewer_requests_is_chosen() {
    let balancer = balancer(&format!("{THREE}, balance: p2c"));
    let _busy = [balancer.of(2).enter(), balancer.of(2).enter()];
    let counts = balancer.counted(1000);
    assert_eq!(counts.get(&'2'), None, "it loses every comparison");
    assert!(counts[&'1'] > 400 && counts[&'3'] > 400, "{counts:?}");
}

#[tokio::test]
async fn what_has_the_same_key_goes_to_the_same_server() {
    let balancer = balancer(&format!("{THREE}, balance: {{ hash: \"{{HTTP_X_USER}}\" }}"));
    let wish = |user: &str| balancer.wish(&asked(&[("x-user", user)]));
    let users: Vec<_> = (0..300).map(|number| wish(&format!("user-{number}"))).collect();
    let before: Vec<_> = users.iter().map(|user| balancer.to(user)).collect();
    for digit in ['1', '2', '3'] {
        let count = before.iter().filter(|at| **at == digit).count();
        assert!((70..=130).contains(&count), "{digit}: {count}");
    }
    balancer.of(2).set_down(true);
    for (user, before) in users.iter().zip(&before) {
        let now = balancer.to(user);
        assert!(now == *before || (*before == '2' && now != '2'), "only what has lost its server moves");
    }
    balancer.of(2).set_down(false);
    assert!(users.iter().zip(&before).all(|(user, before)| balancer.to(user) == *before));
}

#[tokio::test]
async fn requests_without_a_key_take_turns() {
    let balancer = balancer(&format!("{THREE}, balance: {{ hash: \"{{HTTP_X_USER}}\" }}"));
    let wish = balancer.wish(&asked(&[]));
    assert_eq!((0..3).map(|_| balancer.to(&wish)).collect::<String>(), "123");
}

#[tokio::test]
async fn a_client_is_bound_to_a_server_by_its_cookie() {
    let balancer = balancer(&format!("{THREE}, balance: {{ sticky: {{ cookie: route }} }}"));
    let new = balancer.wish(&asked(&[]));
    let first = balancer.choose(&new, &[]).unwrap();
    let cookie = new.cookie(&first.place.endpoint).expect("a cookie");
    let cookie = cookie.to_str().unwrap();
    let pair = cookie.split(';').next().unwrap();
    let known = balancer.wish(&asked(&[("cookie", pair)]));
    for _ in 0..5 {
        let again = balancer.choose(&known, &[]).unwrap();
        assert_eq!((digit(&again), known.cookie(&again.place.endpoint)), (digit(&first), None));
    }
    // While its server is down another one takes it, and says so.
    first.place.endpoint.set_down(true);
    let other = balancer.choose(&known, &[]).unwrap();
    assert!(digit(&other) != digit(&first));
    assert!(known.cookie(&other.place.endpoint).is_some_and(|other| other != cookie));
}

#[tokio::test(start_paused = true)]
async fn the_share_of_a_server_that_is_back_grows() {
    let balancer = balancer("servers: [\"10.0.0.1:80\", \"10.0.0.2:80\"], slow_start: 10s");
    assert_eq!(balancer.counted(1000)[&'2'], 500, "at the start all are equal");
    balancer.of(2).set_down(true);
    balancer.of(2).set_down(false);
    let mut shares = Vec::new();
    for _ in 0..4 {
        shares.push(balancer.counted(1100)[&'2']);
        tokio::time::advance(Duration::from_secs(4)).await;
    }
    // 10, 40 and 80 of the hundred that the other one has, then as many.
    for (share, expected) in shares.iter().zip([100_usize, 314, 488, 550]) {
        assert!(share.abs_diff(expected) <= 2, "{shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn new_addresses_are_used_at_once_and_those_that_stay_keep_their_state() {
    let balancer = balancer("servers: \"api.internal:80\"");
    assert_eq!(balancer.choose(&Wish::Any, &[]).err(), Some(Refused::Unknown));
    balancer.group.replace(0, &[target(1), target(2)]);
    assert_eq!(balancer.turns(3), "121");
    // A look-up that finds the same again does not begin the turns anew.
    balancer.group.replace(0, &[target(1), target(2)]);
    assert_eq!(balancer.turns(1), "2");
    let (first, gone) = (balancer.of(1), Arc::downgrade(&balancer.of(2)));
    first.failed(Failed::Unreachable, &"refused");
    balancer.group.replace(0, &[target(1), target(3)]);
    assert_eq!(balancer.turns(4), "3333");
    assert!(Arc::ptr_eq(&first, &balancer.of(1)));
    assert!(gone.upgrade().is_none(), "nothing is kept of an address that has gone");
    // A look-up that fails changes nothing.
    balancer.group.give_up(0);
    assert_eq!(balancer.turns(2), "33");
}

#[tokio::test]
async fn a_name_that_is_never_found_leaves_nothing_to_wait_for() {
    let balancer = balancer("servers: [\"a.internal:80\", { srv: _http._tcp.b.internal }]");
    balancer.group.give_up(0);
    assert_eq!(balancer.choose(&Wish::Any, &[]).err(), Some(Refused::Unknown));
    balancer.group.give_up(1);
    balancer.known().await;
    assert_eq!(balancer.choose(&Wish::Any, &[]).err(), Some(Refused::NoneLeft));
}

#[test]
fn the_host_of_an_address_is_its_names() {
    let named: crate::backend::http::server::Server = "api.internal:80".parse().unwrap();
    let at = named.at(SocketAddr::from(([10, 0, 0, 1], 80)));
    assert_eq!((at.to_string().as_str(), at.host()), ("10.0.0.1:80", named.host()));
    assert_eq!((named.name(), at.name()), (Some(("api.internal", 80)), None));
}

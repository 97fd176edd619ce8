//! What the fuzz targets do (`fuzz/bodies`), with the seeds that they begin with and every beginning of a seed; some also with
//! seeds of which bytes are changed, left out, added or doubled.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/bodies/ajp.rs"]
mod ajp_bytes;
#[path = "../../fuzz/bodies/asking.rs"]
mod asking;
#[path = "../../fuzz/bodies/conditions.rs"]
mod conditions;
#[path = "../../fuzz/bodies/configuration.rs"]
mod configuration;
#[path = "../../fuzz/bodies/dice.rs"]
mod dice;
#[path = "../../fuzz/bodies/environ.rs"]
mod environ;
#[path = "../../fuzz/bodies/fastcgi.rs"]
mod fastcgi_bytes;
#[path = "../../fuzz/bodies/forwarded.rs"]
mod forwarded;
#[path = "../../fuzz/bodies/fronts.rs"]
mod fronts;
#[path = "../../fuzz/bodies/http_answers.rs"]
mod http_answers;
#[path = "../../fuzz/bodies/http_requests.rs"]
mod http_requests;
#[path = "../../fuzz/bodies/mutations.rs"]
mod mutations;
#[path = "../../fuzz/bodies/patterns.rs"]
mod patterns;
#[path = "../../fuzz/bodies/proxy_protocol.rs"]
mod proxy_protocol;

use self::dice::Dice;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let seeds = fs::read_dir(&folder).expect("the target has seeds");
    let mut seeds: Vec<_> = seeds.map(|seed| seed.expect("the folder can be read").path()).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    // Each file system has an order of its own, and what is made of the seeds is to be the same everywhere.
    seeds.sort();
    seeds.iter().map(|seed| fs::read(seed).expect("a seed is a file")).collect()
}

fn with_mutations(target: &str, rounds: usize, run: fn(&[u8])) {
    let mut dice = Dice(0x5EED);
    let seeds = seeds(target);
    for round in 0..rounds {
        run(&dice.mutated(seeds[round % seeds.len()].clone()));
    }
}

fn with_seeds(target: &str, run: fn(&[u8])) {
    for data in seeds(target) {
        for end in 0..=data.len() {
            run(&data[..end]);
        }
    }
}

#[test]
fn any_text_is_a_configuration_or_has_diagnostics() {
    with_seeds("configuration", configuration::run);
}

#[test]
fn any_target_has_a_sound_environ_or_none() {
    with_seeds("environ", environ::run);
}

#[test]
fn any_pattern_is_refused_or_matches() {
    with_seeds("patterns", patterns::run);
}

#[test]
fn any_condition_gives_a_file_in_sound_parts() {
    with_seeds("conditions", conditions::run);
}

#[test]
fn any_bytes_on_a_fastcgi_connection_are_read_the_same_in_any_pieces() {
    with_seeds("fastcgi", fastcgi_bytes::run);
}

#[test]
fn any_bytes_by_uwsgi_or_scgi_make_a_sound_request_or_none() {
    with_seeds("fronts", fronts::run);
    with_mutations("fronts", 20_000, fronts::run);
}

#[test]
fn any_bytes_are_a_proxy_header_when_it_is_whole_or_none() {
    with_seeds("proxy_protocol", proxy_protocol::run);
    with_mutations("proxy_protocol", 20_000, proxy_protocol::run);
}

#[test]
fn any_forwarded_header_leaves_a_sound_client() {
    with_seeds("forwarded", forwarded::run);
}

#[test]
fn any_bytes_of_a_servlet_container_are_read_the_same_in_any_pieces() {
    with_seeds("ajp", ajp_bytes::run);
}

#[test]
fn any_bytes_by_http_make_a_sound_answer_or_a_bad_gateway() {
    with_seeds("http_answers", http_answers::run);
    with_mutations("http_answers", 3_000, http_answers::run);
}

#[test]
fn any_bytes_by_http_have_whole_answers_and_an_end() {
    with_seeds("http_requests", http_requests::run);
    with_mutations("http_requests", 3_000, http_requests::run);
}

//! What the fuzz targets do (`fuzz/bodies`), with the seeds that they begin with and every beginning of a seed.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/bodies/asking.rs"]
mod asking;
#[path = "../../fuzz/bodies/conditions.rs"]
mod conditions;
#[path = "../../fuzz/bodies/configuration.rs"]
mod configuration;
#[path = "../../fuzz/bodies/environ.rs"]
mod environ;
#[path = "../../fuzz/bodies/fastcgi.rs"]
mod fastcgi_bytes;
#[path = "../../fuzz/bodies/forwarded.rs"]
mod forwarded;
#[path = "../../fuzz/bodies/patterns.rs"]
mod patterns;

fn with_seeds(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let seeds: Vec<_> = fs::read_dir(&folder).expect("the target has seeds").collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        let data = fs::read(seed.expect("the folder can be read").path()).expect("a seed is a file");
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
fn any_forwarded_header_leaves_a_sound_client() {
    with_seeds("forwarded", forwarded::run);
}

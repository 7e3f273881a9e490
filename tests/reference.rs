//! `docs/reference/` is what `mora doc --reference docs/reference` writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use mora::script::reference;
use mora::script::registry::Registry;

#[test]
fn the_committed_reference_is_the_generated_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut names = Vec::new();
    for (name, text) in reference::markdown(&Registry::read().unwrap()).unwrap() {
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(
            found == text,
            "docs/reference/{name} is stale: `mora doc --reference docs/reference` renews it"
        );
        names.push(name);
    }
    for entry in std::fs::read_dir(&folder).unwrap().chain(std::fs::read_dir(folder.join("library")).unwrap())
    {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        assert!(path.is_dir() || names.contains(&name), "docs/reference/{name} describes what is gone");
    }
}

#[test]
fn the_html_page_has_everything_and_needs_no_network() {
    let html = reference::html(&Registry::read().unwrap()).unwrap();
    for name in ["patch_sweep", "games::game", "Tensor", "find_circuit"] {
        assert!(html.contains(name), "{name}");
    }
    assert!(!html.contains("http://") && !html.contains("src=\"https"), "something is loaded from elsewhere");
    assert!(!html.contains("{{"), "a place was not filled");
}

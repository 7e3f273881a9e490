//! Names of sites and globs over them, and the parts of an adapter, which are globs too.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mora::lora::part::Parts;
use mora::model::config::ArchConfig;
use mora::model::site::{Site, SiteGlob};
use mora_fuzz::llama;

static SITES: LazyLock<Vec<Site>> = LazyLock::new(|| {
    let json = serde_json::from_str(llama::CONFIG).expect("sound JSON");
    ArchConfig::from_hf(&json).expect("a sound configuration").sites()
});

fuzz_target!(|text: &str| {
    if let Ok(site) = text.parse::<Site>() {
        assert_eq!(site.to_string().parse::<Site>().expect("a site's own name"), site);
    }
    if let Ok(glob) = text.parse::<SiteGlob>() {
        assert_eq!(glob.to_string(), text);
        if let Ok(chosen) = glob.select(&SITES) {
            assert!(!chosen.is_empty() && chosen.iter().all(|site| glob.matches(site)));
        }
    }
    if let Ok(parts) = text.parse::<Parts>() {
        for layer in [0, 1, usize::MAX] {
            let _ = parts.holds_module(layer, "self_attn.q_proj", "model.layers.0.self_attn.q_proj");
        }
    }
});

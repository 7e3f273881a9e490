//! What the tests of planted truths share: rates against their level, and a model whose workings are known.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::golden;
use super::script::{Ran, printed, run_in};

/// The level at which tests are asked to reject.
pub const LEVEL: f64 = 0.05;

/// Imports, and the function `plant()`, which writes the planted model into the output folder.
const MODEL: &str = include_str!("planted_model.rhai");

/// Opens what `plant()` wrote: `directions`, `base` and `planted`.
const OPENED: &str = r#"
    let directions = plant();
    let base = load_model(output_folder() + "/base");
    let planted = base.with_adapter(load_adapter(output_folder() + "/adapters/planted"));
"#;

/// Fails where a count of so many repetitions is more than four standard deviations from the shares that it may have.
pub fn check_share(name: &str, count: usize, of: usize, least: f64, most: f64) {
    let n = of as f64;
    let slack = |share: f64| 4.0 * (n * share * (1.0 - share)).sqrt();
    let (low, high) = (n * least - slack(least), n * most + slack(most));
    assert!((low..=high).contains(&(count as f64)), "{name}: {count} of {of}, expected {low} to {high}");
}

/// The numbers that a script prints, one a line.
pub fn counts(script: &str) -> Vec<usize> {
    printed(script).iter().map(|line| line.parse().unwrap()).collect()
}

/// The numbers that a script prints, one a line, about the planted model: `base`, `planted` and its `directions` are there.
pub fn of_the_model(script: &str) -> Vec<f64> {
    printed(&format!("{MODEL}{OPENED}{script}")).iter().map(|line| line.parse().unwrap()).collect()
}

/// A folder with the planted model, in `base` and `adapters/planted`.
pub fn model_folder() -> TempDir {
    folder_of(&format!("{MODEL}plant();"))
}

/// The output folder of a script.
pub fn folder_of(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let Ran { error, .. } = run_in(folder.path(), script);
    assert!(error.is_none(), "{}", error.unwrap());
    folder
}

/// Runs a script of `scripts/` with settings; its output folder.
pub fn study(name: &str, settings: &[(&str, &str)]) -> TempDir {
    let settings: BTreeMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let folder = tempfile::tempdir().unwrap();
    let (script, path) = (format!("scripts/{name}.rhai"), folder.path().to_owned());
    golden::with_stack(move || {
        let (text, failed) = golden::transcript(&script, settings, &path);
        assert!(!failed, "{text}");
    });
    folder
}

/// Runs a script of `scripts/` on the planted model, `model` and `adapters` being set; its output folder.
pub fn study_of_the_model(name: &str, settings: &[(&str, &str)]) -> TempDir {
    let model = model_folder();
    let path = |name: &str| model.path().join(name).display().to_string();
    let (base, adapters) = (path("base"), path("adapters"));
    let here = [("model", base.as_str()), ("adapters", adapters.as_str())];
    study(name, &[&here, settings].concat())
}

/// What a closure of a row, in Rhai, says of the rows of a table: `table` is a frame of the CSV file.
pub fn of_rows(folder: &Path, table: &str, closure: &str) -> Vec<String> {
    let path = folder.join(table).display().to_string();
    printed(&format!(
        "let say = {closure};\nfor row in read_frame(\"{path}\").rows() {{ let said = say.call(row); if said != () {{ print(said); }} }}"
    ))
}

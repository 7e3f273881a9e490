//! `mora test`: golden tests of scripts, and functions of modules whose names begin with `test_`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::{self, FAILED, limits, terminal};
use crate::error::{Context, Error, Result};
use crate::save::write_whole;
use crate::script::{golden, library};

#[derive(Args)]
pub struct Test {
    /// Scripts or folders [default: the scripts of the working folder, and its tests, scripts, examples and stdlib]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only tests whose names contain this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write the .out files anew from what the scripts print; look at the difference
    #[arg(long)]
    bless: bool,
    /// Tests that run at the same time [default: one for each core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = cli::parallel)]
    jobs: Option<u16>,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run one test in this process, and print its transcript
    #[arg(long, hide = true, value_name = "OUT")]
    one: Option<PathBuf>,
}

/// One thing to test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    file: PathBuf,
    /// A function of the file; none where its output is compared with a `.out` file.
    function: Option<String>,
}

impl Case {
    fn name(&self) -> String {
        match &self.function {
            Some(function) => format!("{}::{function}", self.file.display()),
            None => self.file.display().to_string(),
        }
    }
}

/// What became of a case.
struct Outcome {
    case: Case,
    /// What went wrong.
    failure: Option<String>,
    blessed: bool,
    took: Duration,
}

impl Test {
    pub fn run(self) -> u8 {
        if let (Some(out), Some(case)) = (&self.one, self.paths.first()) {
            return one(&case.display().to_string(), out);
        }
        match self.all() {
            Ok(true) => 0,
            Ok(false) => FAILED,
            Err(error) => cli::complain(&error),
        }
    }

    /// Runs all cases; true where none failed.
    fn all(&self) -> Result<bool> {
        let begun = Instant::now();
        let (mut cases, mut passed_over) = (Vec::new(), Vec::new());
        let places = self.places();
        for path in &places {
            collect(path, &mut cases, &mut passed_over)?;
        }
        if self.paths.is_empty() {
            for path in scripts_here()? {
                collect(&path, &mut cases, &mut passed_over)?;
            }
        }
        cases.sort();
        cases.dedup();
        let is_asked =
            |case: &Case| self.filter.as_ref().is_none_or(|text| case.name().contains(text.as_str()));
        cases.retain(is_asked);
        passed_over.retain(|(case, _)| is_asked(case));
        for (case, why) in &passed_over {
            terminal::complain(&format!("{} is passed over: {why}", case.name()));
        }
        if cases.is_empty() {
            let here = self.paths.is_empty().then(|| "the working folder".to_owned());
            let places = here.into_iter().chain(places.iter().map(|path| path.display().to_string()));
            let places = places.collect::<Vec<_>>().join(", ");
            let called = self.filter.as_ref().map(|text| format!(" whose names contain \"{text}\""));
            let what = format!("there are no tests{} in {places}", called.unwrap_or_default());
            return Err(Error::new(what).hint(
                "a test is a script with a .out file beside it, or a function of a module whose name begins with test_",
            ));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.map_or(cores, usize::from).min(cases.len());
        let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outcome = tested(case, self.bless);
                        say(&outcome);
                        if let Ok(mut all) = outcomes.lock() {
                            all.push(outcome);
                        }
                    }
                });
            }
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_default();
        outcomes.sort_by(|a, b| a.case.cmp(&b.case));
        let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
        for outcome in &failed {
            let text = outcome.failure.as_deref().unwrap_or_default();
            terminal::say(&format!("\n{}\n{}", outcome.case.name(), text.trim_end()));
        }
        if let Some(path) = &self.junit {
            let xml = junit(&outcomes);
            write_whole(path, |file| Ok(file.write_all(xml.as_bytes())?))?;
        }
        let blessed = outcomes.iter().filter(|outcome| outcome.blessed).count();
        let written = if blessed > 0 { format!(", {blessed} written anew") } else { String::new() };
        terminal::say(&format!(
            "\n{} passed, {} failed{written}, in {:.1} s",
            outcomes.len() - failed.len(),
            failed.len(),
            begun.elapsed().as_secs_f64()
        ));
        Ok(failed.is_empty())
    }

    fn places(&self) -> Vec<PathBuf> {
        match self.paths.is_empty() {
            false => self.paths.clone(),
            true => ["tests", "scripts", "examples", "stdlib"]
                .map(PathBuf::from)
                .into_iter()
                .filter(|p| p.is_dir())
                .collect(),
        }
    }
}

/// The scripts of the working folder, without those of its folders.
fn scripts_here() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(".").within(|| "the working folder")? {
        let path = entry?.path();
        if library::is_script(&path) && path.is_file() {
            found.push(path.strip_prefix(".").unwrap_or(&path).to_owned());
        }
    }
    Ok(found)
}

/// The cases of a script, or of all scripts below a folder, and the functions that are called like tests but are none,
/// with why.
fn collect(path: &Path, cases: &mut Vec<Case>, passed_over: &mut Vec<(Case, &'static str)>) -> Result<()> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).within(|| path.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() || (library::is_script(&path) && path.is_file()) {
                collect(&path, cases, passed_over)?;
            }
        }
        return Ok(());
    }
    let text = std::fs::read_to_string(path).within(|| path.display().to_string())?;
    if path.with_extension("out").is_file() {
        cases.push(Case { file: path.to_owned(), function: None });
    }
    for line in text.lines().map(str::trim_start) {
        let (declared, is_private) = match line.strip_prefix("private ") {
            Some(rest) => (rest.trim_start(), true),
            None => (line, false),
        };
        let Some((name, rest)) = declared.strip_prefix("fn test_").and_then(|rest| rest.split_once('('))
        else {
            continue;
        };
        let case = Case { file: path.to_owned(), function: Some(format!("test_{}", name.trim())) };
        match rest.trim_start().starts_with(')') {
            _ if is_private => passed_over.push((case, "a private function cannot be called from outside")),
            false => passed_over.push((case, "a test has no parameters")),
            true => cases.push(case),
        }
    }
    Ok(())
}

/// Runs a case in a process and an output folder of its own.
fn tested(case: &Case, bless: bool) -> Outcome {
    let begun = Instant::now();
    let (failure, blessed) = match compared(case, bless) {
        Ok(blessed) => (None, blessed),
        Err(error) => (Some(error.to_string()), false),
    };
    Outcome { case: case.clone(), failure, blessed, took: begun.elapsed() }
}

fn compared(case: &Case, bless: bool) -> Result<bool> {
    let out = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let child = Command::new(program)
        .args(["test", &case.name(), "--one"])
        .arg(out.path())
        .stdin(Stdio::null())
        .output()?;
    let found = String::from_utf8_lossy(&child.stdout).into_owned();
    let Some(code) = child.status.code() else {
        return Err(Error::new(format!("{found}the test was ended from outside ({})", child.status)));
    };
    if case.function.is_some() {
        return if code == 0 {
            Ok(false)
        } else {
            Err(Error::new(format!("{found}{}", String::from_utf8_lossy(&child.stderr))))
        };
    }
    let golden = case.file.with_extension("out");
    let expected = std::fs::read_to_string(&golden).within(|| golden.display().to_string())?;
    let tolerance = golden::tolerance(&std::fs::read_to_string(&case.file)?)?;
    if golden::is_equal(&expected, &found, tolerance) {
        return Ok(false);
    }
    if bless {
        write_whole(&golden, |file| Ok(file.write_all(found.as_bytes())?))?;
        return Ok(true);
    }
    let stderr = String::from_utf8_lossy(&child.stderr);
    Err(Error::new(format!("{}{stderr}", golden::difference(&expected, &found, tolerance))))
}

fn say(outcome: &Outcome) {
    let word = match (&outcome.failure, outcome.blessed) {
        (Some(_), _) => "FAILED",
        (None, true) => "written",
        (None, false) => "ok",
    };
    terminal::say(&format!("{word:7} {} ({:.2} s)", outcome.case.name(), outcome.took.as_secs_f64()));
}

/// Runs a case here: `FILE` or `FILE::FUNCTION`.
fn one(name: &str, out: &Path) -> u8 {
    let (file, function) = match name.split_once("::") {
        Some((file, function)) => (file, Some(function)),
        None => (name, None),
    };
    let script = match library::find(file) {
        Ok(script) => script,
        Err(error) => return cli::complain(&error),
    };
    if let Some(seconds) = golden::timeout(&script.text) {
        limits::watch_time(seconds);
    }
    cli::with_stack(|| {
        let transcript = match function {
            Some(function) => golden::transcript_of_function(&script, function, out),
            None => golden::transcript(&script, golden::settings(&script.text), out),
        };
        let _ = write!(std::io::stdout().lock(), "{}", transcript.text);
        u8::from(transcript.failed)
    })
}

/// The results as the XML that build servers read.
fn junit(outcomes: &[Outcome]) -> String {
    let escaped = |text: &str| {
        let is_allowed = |c: &char| matches!(c, '\t' | '\n' | ' '..);
        let text: String = text.chars().filter(is_allowed).collect();
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let failures = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"mora\" tests=\"{}\" failures=\"{failures}\">\n",
        outcomes.len()
    );
    for Outcome { case, failure, took, .. } in outcomes {
        xml += &format!(
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&case.file.display().to_string()),
            escaped(case.function.as_deref().unwrap_or("output")),
            took.as_secs_f64()
        );
        xml += &match failure {
            Some(text) => format!(">\n    <failure>{}</failure>\n  </testcase>\n", escaped(text)),
            None => "/>\n".to_owned(),
        };
    }
    xml + "</testsuite>\n"
}

//! Porcupine, in a process that answers one request at a time (`xtask/porcupine`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use tribunal_checkers::Verdict;

pub(crate) struct Rival {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    input: PathBuf,
    version: String,
}

/// One turn: the median of its repetitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) median: Duration,
    /// Allocated by one check, garbage included.
    pub(crate) bytes: u64,
}

/// Most repetitions of a turn; the driver ends them when they took long enough together.
const REPETITIONS: u32 = 200;

impl Rival {
    /// Builds it, and starts it.
    pub(crate) fn start() -> Result<Rival, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("porcupine");
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| source.join("../../target"), PathBuf::from)
            .join("porcupine");
        std::fs::create_dir_all(&target).map_err(|error| error.to_string())?;
        let program = target.join("driver");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(&source)
            .output()
            .map_err(|error| format!("starting go: {error}"))?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr);
            return Err(format!("go build: {}", said.trim().replace('\n', "; ")));
        }
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting the driver: {error}"))?;
        let requests = child.stdin.take().ok_or("the driver takes no requests")?;
        let answers = BufReader::new(child.stdout.take().ok_or("the driver does not answer")?);
        let input = target.join(format!("input-{}.txt", std::process::id()));
        Ok(Rival { child, requests, answers, input, version: version(&source) })
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The history the next checks are about.
    pub(crate) fn load(&mut self, text: &str) -> Result<(), String> {
        let shown = self.input.display();
        std::fs::write(&self.input, text).map_err(|error| format!("writing {shown}: {error}"))?;
        let path = self.input.display().to_string();
        let answer = self.request(&format!("load {path}"))?;
        if answer.starts_with("loaded ") { Ok(()) } else { Err(answer) }
    }

    pub(crate) fn check(&mut self, model: &str, timeout: Duration) -> Result<Answer, String> {
        let timeout = timeout.as_millis();
        let answer = self.request(&format!("check {model} {timeout} {REPETITIONS}"))?;
        let words: Vec<&str> = answer.split(' ').collect();
        let ["checked", verdict, _best, median, _repetitions, bytes] = words[..] else {
            return Err(answer);
        };
        let number = |word: &str| word.parse::<u64>().map_err(|_| answer.clone());
        let verdict = match verdict {
            "valid" => Verdict::Valid,
            "invalid" => Verdict::Invalid,
            _ => Verdict::Unknown,
        };
        let median = Duration::from_nanos(number(median)?);
        Ok(Answer { verdict, median, bytes: number(bytes)? })
    }

    fn request(&mut self, request: &str) -> Result<String, String> {
        writeln!(self.requests, "{request}").map_err(|error| format!("the driver: {error}"))?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer) {
            Ok(0) => Err("the driver is gone".into()),
            Ok(_) => Ok(answer.trim().to_owned()),
            Err(error) => Err(format!("the driver: {error}")),
        }
    }
}

/// It ends when it has nothing to read; a check that is still going on is not waited for.
impl Drop for Rival {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.input).ok();
    }
}

fn version(source: &Path) -> String {
    let module = std::fs::read_to_string(source.join("go.mod")).unwrap_or_default();
    let line = module.lines().find_map(|line| line.split_once("porcupine v"));
    line.map_or_else(|| "of unknown version".into(), |(_, version)| format!("v{version}"))
}

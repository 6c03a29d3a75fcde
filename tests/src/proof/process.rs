//! The gateway as a program of its own: its address, the lines of its log, and the processor time it has used.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// After an answer its line in the log must be there so soon.
const LINE: Duration = Duration::from_secs(10);
/// Seconds without work after which a gateway is taken to be ready.
const IDLE: u32 = 3;
/// Ticks of a second in `/proc/PID/stat`, on every Linux of today.
const TICKS: f64 = 100.0;

/// A running `xietong serve`. It ends when this is dropped.
#[derive(Debug)]
pub struct GatewayProcess {
    /// The data port.
    pub data: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    child: Child,
    log: Option<Lines<BufReader<ChildStdout>>>,
}

impl GatewayProcess {
    /// Starts the program with a configuration, which is written to `file`, and waits until it answers. The
    /// configuration has to say `log: json`, and port 0 for both listeners.
    ///
    /// # Errors
    /// A file that cannot be written, a program that does not start, and what a gateway says that ends at once.
    pub async fn start(program: &Path, file: &Path, yaml: &str) -> Result<Self, String> {
        std::fs::write(file, yaml).map_err(|why| format!("{}: {why}", file.display()))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(file).stdout(Stdio::piped());
        Self::launch(program, command).await
    }

    /// Starts the program as it is without a configuration, on the ports that it has then, and waits until it has nothing
    /// left to do: it verifies weights while it answers. Its log is not kept.
    ///
    /// # Errors
    /// A program that does not start, and what a gateway says that ends at once.
    pub async fn start_built_in(program: &Path) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.arg("serve").stdout(Stdio::null());
        let gateway = Self::launch(program, command).await?;
        let mut idle = 0;
        while idle < IDLE {
            let before = gateway.processor_seconds();
            tokio::time::sleep(Duration::from_secs(1)).await;
            idle = if gateway.processor_seconds() > before { 0 } else { idle + 1 };
        }
        Ok(gateway)
    }

    async fn launch(program: &Path, mut command: Command) -> Result<Self, String> {
        let named = |why: &dyn std::fmt::Display| format!("{}: {why}", program.display());
        let mut child =
            command.stderr(Stdio::piped()).kill_on_drop(true).spawn().map_err(|why| named(&why))?;
        let log = child.stdout.take().map(|out| BufReader::new(out).lines());
        let mut said = BufReader::new(child.stderr.take().ok_or_else(|| named(&"no pipe"))?).lines();
        let mut before = String::new();
        while let Ok(Some(line)) = said.next_line().await {
            if let Some([data, admin]) = addresses(&line) {
                tokio::spawn(async move { while said.next_line().await.is_ok_and(|line| line.is_some()) {} });
                return Ok(Self { data, admin, child, log });
            }
            before = before + &line + "\n";
        }
        Err(named(&before))
    }

    /// The line of a request in the log; lines before it are passed over.
    ///
    /// # Errors
    /// No such line within ten seconds.
    pub async fn logged(&mut self, request: &str) -> Result<Value, String> {
        let find = async {
            while let Ok(Some(line)) = self.log.as_mut()?.next_line().await {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["request_id"] == request {
                    return Some(line);
                }
            }
            None
        };
        let found = timeout(LINE, find).await.ok().flatten();
        found.ok_or_else(|| format!("the gateway's log has no line of request {request}"))
    }

    /// Seconds of processor time that it has used since its start, in hundredths; `None` where the system has no
    /// `/proc`.
    pub fn processor_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()?)).ok()?;
        used(&stat)
    }
}

/// User and system time in a line of `/proc/PID/stat`. The program's name, in brackets, may have blanks.
fn used(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

/// Both addresses in the line that says where the gateway answers.
fn addresses(line: &str) -> Option<[SocketAddr; 2]> {
    let rest = line.strip_prefix("answering on http://")?;
    let (data, admin) = rest.split_once("/v1, metrics on http://")?;
    Some([data.parse().ok()?, admin.strip_suffix("/metrics")?.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_processor_time_behind_a_name_with_blanks() {
        let line = "17 (a (b) c) S 1 17 17 0 -1 4194304 100 0 0 0 250 31 0 0 20 0 5 0 100 1 1";
        assert_eq!(used(line), Some(2.81));
        assert_eq!(used("nothing"), None);
    }

    #[test]
    fn reads_where_a_gateway_answers() {
        let line = "answering on http://127.0.0.1:8080/v1, metrics on http://127.0.0.1:9464/metrics";
        assert_eq!(
            addresses(line),
            Some(["127.0.0.1:8080".parse().unwrap(), "127.0.0.1:9464".parse().unwrap()])
        );
        assert_eq!(addresses("fetching"), None);
    }
}

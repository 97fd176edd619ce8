//! Debian's Tomcat behind a gateway, with `tests/apps/tomcat` as its context `/site`.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::{eventually, get};

/// Where Debian has it.
const HOME: &str = "/usr/share/tomcat10";

/// Tomcat with a folder of its own; it speaks HTTP on one port and AJP on another. It ends when it is dropped.
pub(crate) struct Tomcat {
    child: Child,
    folder: TempDir,
    http: String,
    ajp: String,
}

impl Tomcat {
    /// What it wants to be told by AJP.
    pub(crate) const SECRET: &str = "shared with the test";

    /// Starts Tomcat.
    ///
    /// # Panics
    ///
    /// If it is missing or does not start.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let connectors = format!(
            "<Connector port='0' address='127.0.0.1' protocol='HTTP/1.1'/>
             <Connector port='0' address='127.0.0.1' {}/>",
            ajp()
        );
        let [java, arguments @ ..] = &Self::command(folder.path(), &connectors)[..] else {
            unreachable!("a command has a program")
        };
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(java)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect(
                "Java is missing: apt-get install tomcat10-common default-jre-headless (tests/run does it)",
            );
        let mut tomcat = Self { child, folder, http: String::new(), ajp: String::new() };
        let log = eventually("Tomcat to start", || {
            let log = tomcat.log();
            let has_ended = tomcat.child.try_wait().expect("its state can be asked").is_some();
            assert!(!has_ended, "Tomcat does not start (apt-get install tomcat10-common):\n{log}");
            log.contains("Server startup in").then_some(log)
        });
        // It chooses its ports, and tells them: `Starting ProtocolHandler ["ajp-nio-127.0.0.1-auto-2-40123"]`.
        let port = |protocol: &str| {
            let start = format!("Starting ProtocolHandler [\"{protocol}-nio-127.0.0.1-auto-");
            let told =
                log.split_once(&start).expect("it tells its port").1.split('"').next().unwrap_or_default();
            format!("127.0.0.1:{}", told.rsplit('-').next().unwrap_or_default())
        };
        (tomcat.http, tomcat.ajp) = (port("http"), port("ajp"));
        // The first request compiles the page, which takes seconds.
        assert_eq!(get(&tomcat.http, "/site/does/teapot").status, 418);
        tomcat
    }

    /// The command of a Tomcat that listens for AJP on the unix socket of the system property `socket`.
    pub(crate) fn on_a_unix_socket(base: &Path) -> Vec<String> {
        Self::command(base, &format!("<Connector unixDomainSocketPath='${{socket}}' {}/>", ajp()))
    }

    /// Writes what a Tomcat with these connectors needs into a folder, and gives its command.
    fn command(base: &Path, connectors: &str) -> Vec<String> {
        for name in ["conf", "logs", "temp", "work"] {
            fs::create_dir_all(base.join(name)).expect("its folders are made");
        }
        fs::write(base.join("conf/server.xml"), configuration(connectors)).expect("its file is written");
        let base = base.display();
        [
            "java".to_owned(),
            "-Xmx128m".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            format!("-Dcatalina.home={HOME}"),
            format!("-Dcatalina.base={base}"),
            format!("-Djava.io.tmpdir={base}/temp"),
            "-Dsocket={socket}".to_owned(),
            "-cp".to_owned(),
            format!("{HOME}/bin/bootstrap.jar:{HOME}/bin/tomcat-juli.jar"),
            "org.apache.catalina.startup.Bootstrap".to_owned(),
            "start".to_owned(),
        ]
        .to_vec()
    }

    /// Where it speaks HTTP.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// Where it speaks AJP.
    pub(crate) fn ajp(&self) -> &str {
        &self.ajp
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Tomcat {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("Tomcat:\n{}", self.log());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ajp() -> String {
    let secret = Tomcat::SECRET;
    format!(
        "protocol='AJP/1.3' secret='{secret}' tomcatAuthentication='false' allowedRequestAttributesPattern='DEPLOY'"
    )
}

fn configuration(connectors: &str) -> String {
    format!(
        "<Server port='-1'>
  <Service name='Catalina'>
    {connectors}
    <Engine name='Catalina' defaultHost='localhost'>
      <Host name='localhost' appBase='webapps' unpackWARs='false' autoDeploy='false'>
        <Context path='/site' docBase='{}/tests/apps/tomcat'/>
      </Host>
    </Engine>
  </Service>
</Server>
",
        env!("CARGO_MANIFEST_DIR")
    )
}

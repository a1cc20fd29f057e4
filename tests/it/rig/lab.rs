//! The embedded cluster, started in this process for one test.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck::base::clock::SystemClock;
use quarterdeck::lab::stage::{self, Stage};
use quarterdeck::lab::world::scenario::Scenario;
use quarterdeck::lab::world::{Size, World};
use quarterdeck::lab::{Lab, Options};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub struct LabRig {
    pub lab: Arc<Lab>,
    pub dir: TempDir,
    pub config: String,
    access: BTreeMap<String, String>,
    runtime: Runtime,
}

impl LabRig {
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("qd-lab-").tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let (lab, config, access) = runtime.block_on(async {
            let scenario = Scenario::named("calm").expect("calm");
            let options = Options { seed: 7, speed: 1.0, size: Size::default(), scenario, ago: Duration::from_secs(30) };
            let lab = Lab::start(options, Arc::new(SystemClock::default())).expect("a lab");
            let mut stage = Stage::new(dir.path());
            stage::serve(&lab, &mut stage).await.expect("servers");
            (lab, stage.configuration().to_owned(), stage.accesses().to_owned())
        });
        let access = access.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.trim_matches('\'').to_owned())).collect();
        Self { lab, dir, config, access, runtime }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What `--print-access` would say of `name`.
    pub fn access(&self, name: &str) -> &str {
        self.access.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", self.access.keys()))
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.lab.with(look)
    }
}

impl Drop for LabRig {
    fn drop(&mut self) {
        self.runtime.block_on(self.lab.end());
    }
}

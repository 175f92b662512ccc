//! Tests that run once more, by themselves, in a machine that systemd runs.

use std::{env, path::Path};
use testkit::machine::Machine;

/// Set in the machine.
const INSIDE: &str = "CUTOVER_TEST_INSIDE";
const PROGRAM: &str = env!("CARGO_BIN_EXE_drivers-test-host");

/// Runs `test`, which is called `name`, in a machine of its own.
pub fn inside(name: &str, test: impl AsyncFnOnce()) {
    if env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(test());
    }
    let this = env::current_exe().unwrap();
    let machine = Machine::boot(&[this.parent().unwrap(), Path::new(PROGRAM).parent().unwrap()]);
    let set = format!("{INSIDE}=1");
    let this = this.to_str().unwrap();
    let output = machine.run("env", &[&set, this, "--exact", name, "--nocapture"]);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

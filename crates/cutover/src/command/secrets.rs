//! `secrets`

use crate::{
    cli::grammar::{SecretsAct, Target},
    configuration,
    halt::Halt,
    session::Session,
    target::Known,
};
use comfy_table::{Table, presets::NOTHING};
use config::secret::SecretOrigin;
use serde_json::json;

/// Says where the values of secrets come from, and looks at none of them.
///
/// # Errors
///
/// Where there is no configuration, it has problems, or the words name no environment.
pub fn run(session: &Session, act: &SecretsAct) -> Result<u8, Halt> {
    let SecretsAct::List(Target { words }) = act;
    let configuration = configuration::expect(session)?;
    let ids = match &words[..] {
        [] => configuration.document.environments(),
        words => vec![Known::declared(&configuration.document).find(words)?.id],
    };
    let mut found = vec![];
    for id in ids {
        let origins = configuration.resolve(&id)?.secret_origins;
        found.extend(origins.into_iter().map(|it| (id.to_string(), it)));
    }
    if session.ui.is_json() {
        let objects: Vec<_> = found.iter().map(|(id, it)| object(id, it)).collect();
        session.ui.object(&objects);
    } else if found.is_empty() {
        session.ui.line("no secrets");
    } else {
        session.ui.line(&table(&found));
    }
    Ok(0)
}

fn object(environment: &str, it: &SecretOrigin) -> serde_json::Value {
    json!({
        "environment": environment,
        "service": it.service,
        "name": it.name,
        "from": it.from,
        "file": it.file,
        "line": it.line,
    })
}

fn table(found: &[(String, SecretOrigin)]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["ENVIRONMENT", "SERVICE", "NAME", "FROM", "SAID AT"]);
    for (id, it) in found {
        let at = format!("{}:{}", it.file, it.line);
        table.add_row([id.clone(), it.service.to_string(), it.name.clone(), it.from.clone(), at]);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

//! Asks as a client elsewhere does: by name, by TLS, and with an eye on the certificate.

mod certificate;

use super::{
    Notes,
    health::{other_status, unheard},
    http::{Question, unconnected},
};
use certificate::{Recorded, Seen};
use model::{
    check::{EXTERNAL_PAUSE, EXTERNAL_TRIES, External},
    failure::{Blame, Failure},
    service::Millis,
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout_at,
};
use tokio_rustls::TlsConnector;

/// Of the addresses of a name, so many are tried.
const ADDRESSES_MAX: usize = 8;

/// The wanted status from whom the name leads to, with a certificate that is good for a while.
pub(super) async fn ask(
    asked: &External,
    timeout: Millis,
    notes: &Notes<'_>,
) -> Result<(), Failure> {
    let mut left = EXTERNAL_TRIES;
    loop {
        let Err(failure) = ask_once(asked, timeout.duration(), notes).await else {
            return Ok(());
        };
        left -= 1;
        if left == 0 {
            return Err(failure);
        }
        notes.sometimes(|| format!("failed to {}; it is tried again", failure.message));
        tokio::time::sleep(EXTERNAL_PAUSE.duration()).await;
    }
}

async fn ask_once(asked: &External, timeout: Duration, notes: &Notes<'_>) -> Result<(), Failure> {
    let begun = Instant::now();
    let question = question(asked, timeout);
    let stream = connected(asked, begun + timeout).await?;
    let answer = if asked.tls {
        let recorded = Arc::new(Recorded::new(asked.trusted.as_deref()).await?);
        let handshake = handshake(asked, stream, recorded.clone());
        let stream = match timeout_at((begun + timeout).into(), handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(distrusted(asked, &why, recorded.seen())),
            Err(_) => return Err(distrusted(asked, "it took too long", recorded.seen())),
        };
        for seen in recorded.seen().iter().filter(|it| it.ends_within(asked.expires_in)) {
            notes.now(format!("warning: {}: {seen} ends within {} days", asked.host, days(asked)));
        }
        question.ask_on(stream, begun).await
    } else {
        question.ask_on(stream, begun).await
    };
    match answer {
        Ok(response) if response.status == asked.status => Ok(()),
        Ok(response) => Err(other_status(&question, &response, asked.status)),
        Err(silence) => Err(unheard(&question, &silence)),
    }
}

fn days(asked: &External) -> u64 {
    const DAY_MS: u64 = 86_400_000;
    asked.expires_in.0 / DAY_MS
}

fn question(asked: &External, timeout: Duration) -> Question {
    let by_default = asked.port == if asked.tls { 443 } else { 80 };
    let External { host, port, .. } = asked;
    let address = if by_default { host.clone() } else { format!("{host}:{port}") };
    let scheme = if asked.tls { "https" } else { "http" };
    Question { scheme, ..Question::get(&address, &asked.path, timeout) }
}

async fn connected(asked: &External, deadline: Instant) -> Result<TcpStream, Failure> {
    let url = asked.url();
    let failed = |what: String| Failure::new(Blame::Platform, format!("ask {url}: {what}"));
    let name = (asked.host.as_str(), asked.port);
    let found: Vec<SocketAddr> = match timeout_at(deadline.into(), lookup_host(name)).await {
        Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
        Ok(Err(error)) => {
            let why = format!("no address is known for {}: {error}", asked.host);
            return Err(failed(why).hint("see that the name is registered and spelled right"));
        }
        Err(_) => {
            let why = format!("nobody said in time which address {} has", asked.host);
            return Err(failed(why).hint("see that this host reaches its name server"));
        }
    };
    let mut whys = vec![];
    for address in &found {
        match timeout_at(deadline.into(), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => whys.push(format!("{address} {}", unconnected(&error))),
            Err(_) => whys.push(format!("{address} took no connection in time")),
        }
    }
    let failure = failed(format!("nobody answers: {}", whys.join("; ")));
    Err(failure.hint("see where the name leads to, and that a firewall lets this host in"))
}

async fn handshake(
    asked: &External,
    stream: TcpStream,
    recorded: Arc<Recorded>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(recorded)
        .with_no_client_auth();
    let name = ServerName::try_from(asked.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(|error| error.to_string())
}

/// No TLS with whom the name leads to: what it presented is the best evidence.
fn distrusted(asked: &External, why: &str, seen: Vec<Seen>) -> Failure {
    let message = format!("ask {}: no trusted connection: {why}", asked.url());
    let mut failure = Failure::new(Blame::Platform, message);
    for certificate in &seen {
        failure = failure.evidence(format!("it presented {certificate}"));
    }
    match seen.first() {
        None => failure.hint("see that it speaks TLS on this port"),
        Some(_) => {
            failure.hint("renew the certificate, or present it with all that lead to a trusted one")
        }
    }
}

//! One certificate: ordered, proved, fetched, and put in place.
//!
//! An order and the key that it is for are kept before anything is proved, so that the next life of
//! the controller takes up what a kill interrupted.

use super::{ANSWER_WAIT, account, now_s, printable, wire::Wire};
use crate::file;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, KeyAuthorization, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use model::{
    edge::{Acme, Challenge},
    renewal::Life,
};
use proxy::{
    certificate,
    challenge::{
        Proof, acme_directory, challenge_path, challenge_text, challenges_directory, issued_path,
    },
    client::ask_async,
    control::{Answer, Ask},
    edge::CertificateFiles,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// For the authority to look, and then to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));
/// Where the authority refuses more without a word on when it will not.
const LIMITED_WAIT_S: i64 = 3600;
/// Before the name of each kind of error.
const KIND: &str = "urn:ietf:params:acme:error:";

/// Why there is no certificate.
#[derive(Debug)]
pub(super) struct Trouble {
    /// In words.
    pub(super) what: String,
    /// Not before then, by the authority's word.
    pub(super) not_before_s: Option<i64>,
    /// What may help.
    pub(super) hint: Option<String>,
}

/// `ROOT/proxy/acme/orders/HOST.json`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderFile {
    directory: String,
    account: String,
    url: String,
    /// In PEM.
    key: String,
}

impl Trouble {
    /// In these words.
    pub(super) fn of(what: impl Into<String>) -> Trouble {
        Trouble { what: printable(&what.into()), not_before_s: None, hint: None }
    }

    /// The authority's own, or why it says none.
    pub(super) fn asked(error: &Error, wire: &Wire) -> Trouble {
        let Error::Api(problem) = error else { return Trouble::of(error.to_string()) };
        let kind = problem.r#type.as_deref().and_then(|it| it.strip_prefix(KIND));
        let told = problem.detail.as_deref().unwrap_or("it does not say why");
        let what = format!("the authority refuses: {told} ({})", kind.unwrap_or("no known kind"));
        let limited = (kind == Some("rateLimited")).then_some(LIMITED_WAIT_S);
        let wait_s = wire.retry_after_s().or(limited);
        Trouble { not_before_s: wait_s.map(|it| now_s().saturating_add(it)), ..Trouble::of(what) }
    }

    fn hint(self, text: &str) -> Trouble {
        Trouble { hint: Some(text.to_owned()), ..self }
    }
}

/// Has one issued for `host`, and puts it in place; how long it lasts.
pub(super) async fn issue(root: &Path, host: &str, acme: &Acme) -> Result<Life, Trouble> {
    let wire = Wire::new(acme).map_err(Trouble::of)?;
    let account = account::open(root, acme, &wire).await?;
    let begun = match taken_up(root, host, acme, &account).await {
        Some(kept) => Ok(kept),
        None => match begin(root, host, acme, &account).await {
            Err(error) if is_unknown(&error) => {
                tracing::warn!(host, "the authority does not know our account: a new one is made");
                begin(root, host, acme, &account::make(root, acme, &wire).await?).await
            }
            begun => begun,
        },
    };
    let (mut order, key) = begun.map_err(|error| Trouble::asked(&error, &wire))?;
    let fetched = fetch(root, host, acme, &wire, (&mut order, &key)).await;
    let challenge = challenge_path(root, host);
    if challenge.exists() && file::remove(&challenge).is_ok() {
        // It is of no use any more, and harms nobody: the next reading forgets it.
        let _ = told(root).await;
    }
    let life = match fetched {
        Ok(chain) => put(root, host, &chain, &key).await?,
        Err(trouble) => {
            if matches!(order.state().status, OrderStatus::Invalid) {
                forget(root, host)?;
            }
            return Err(trouble);
        }
    };
    forget(root, host)?;
    Ok(life)
}

fn is_unknown(error: &Error) -> bool {
    let Error::Api(problem) = error else { return false };
    let kind = problem.r#type.as_deref().and_then(|it| it.strip_prefix(KIND));
    kind == Some("accountDoesNotExist")
}

/// The order of an earlier try, where the authority still holds it.
async fn taken_up(
    root: &Path,
    host: &str,
    acme: &Acme,
    account: &Account,
) -> Option<(Order, KeyPair)> {
    let kept = file::read(&order_path(root, host)).ok()??;
    let kept: OrderFile = serde_json::from_slice(&kept).ok()?;
    if kept.directory != acme.directory || kept.account != account.id() {
        return None;
    }
    let key = KeyPair::from_pem(&kept.key).ok()?;
    let mut order = account.order(kept.url).await.ok()?;
    let lives = !matches!(order.state().status, OrderStatus::Invalid);
    lives.then_some((order, key))
}

/// A new one; it is kept with its key before it is used.
async fn begin(
    root: &Path,
    host: &str,
    acme: &Acme,
    account: &Account,
) -> Result<(Order, KeyPair), Error> {
    let other = |error: io::Error| Error::Other(error.into());
    let key = KeyPair::generate().map_err(|error| Error::Other(error.into()))?;
    let names = [Identifier::Dns(host.to_owned())];
    let order = account.new_order(&NewOrder::new(&names)).await?;
    let kept = OrderFile {
        directory: acme.directory.clone(),
        account: account.id().to_owned(),
        url: order.url().to_owned(),
        key: key.serialize_pem(),
    };
    let path = order_path(root, host);
    file::make_directory(&orders(root), file::MODE_PRIVATE_DIRECTORY).map_err(other)?;
    file::write(&path, &serde_json::to_vec(&kept)?, file::MODE_PRIVATE).map_err(other)?;
    Ok((order, key))
}

/// The chain in PEM, once it is proved whose the host is.
async fn fetch(
    root: &Path,
    host: &str,
    acme: &Acme,
    wire: &Wire,
    (order, key): (&mut Order, &KeyPair),
) -> Result<String, Trouble> {
    let asked = |error: Error| Trouble::asked(&error, wire);
    if matches!(order.state().status, OrderStatus::Pending) {
        prove(root, host, acme, order).await.map_err(|it| it.of(wire))?;
        match order.poll_ready(&PATIENCE).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(disproved(order, acme, None).await),
            Err(error @ Error::Api(_)) => {
                return Err(disproved(order, acme, Some(asked(error))).await);
            }
            Err(error) => return Err(asked(error)),
        }
    }
    if matches!(order.state().status, OrderStatus::Ready) {
        let request = request(host, key).map_err(|it| Trouble::of(it.to_string()))?;
        order.finalize_csr(&request).await.map_err(asked)?;
    }
    order.poll_certificate(&PATIENCE).await.map_err(asked)
}

fn request(host: &str, key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// What went wrong on the way to a proof.
enum Unproved {
    Asked(Error),
    Own(String),
}

impl Unproved {
    fn of(self, wire: &Wire) -> Trouble {
        match self {
            Unproved::Asked(error) => Trouble::asked(&error, wire),
            Unproved::Own(what) => Trouble::of(what),
        }
    }
}

/// Has the proxy answer, and then the authority look.
async fn prove(root: &Path, host: &str, acme: &Acme, order: &mut Order) -> Result<(), Unproved> {
    let (kind, name) = match acme.challenge {
        Challenge::Http => (ChallengeType::Http01, "http-01"),
        Challenge::TlsAlpn => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
    };
    let mut all = order.authorizations();
    while let Some(found) = all.next().await {
        let mut authorization = found.map_err(Unproved::Asked)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(kind.clone()) else {
            return Err(Unproved::Own(format!("the authority offers no challenge `{name}`")));
        };
        let proof = match acme.challenge {
            Challenge::Http => Proof::Http {
                token: challenge.token.clone(),
                answer: challenge.key_authorization().as_str().to_owned(),
            },
            Challenge::TlsAlpn => of_handshake(host, &challenge.key_authorization())
                .map_err(|error| Unproved::Own(error.to_string()))?,
        };
        answer(root, host, &proof).map_err(Unproved::Own)?;
        told(root).await.map_err(Unproved::Own)?;
        challenge.set_ready().await.map_err(Unproved::Asked)?;
    }
    Ok(())
}

/// A certificate of our own that holds the digest.
fn of_handshake(host: &str, authorization: &KeyAuthorization) -> Result<Proof, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    let digest = authorization.digest();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let own = params.self_signed(&key)?;
    Ok(Proof::Tls { pem: format!("{}{}", own.pem(), key.serialize_pem()) })
}

fn answer(root: &Path, host: &str, proof: &Proof) -> Result<(), String> {
    let text = challenge_text(host, proof)?;
    let path = challenge_path(root, host);
    file::make_directory(&challenges_directory(root), file::MODE_PRIVATE_DIRECTORY)
        .and_then(|()| file::write(&path, &text, file::MODE_PRIVATE))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// Has the proxy read what was put there.
async fn told(root: &Path) -> Result<(), String> {
    match ask_async(root, &Ask::Edges, ANSWER_WAIT).await {
        Ok(Answer::Edges { .. }) => Ok(()),
        Ok(_) => Err("the proxy does not read it; is it of an earlier build?".to_owned()),
        Err(error) => Err(format!("the proxy does not answer: {error}")),
    }
}

/// Why the authority was not convinced: the order says little, its challenge says what was seen.
async fn disproved(order: &mut Order, acme: &Acme, said: Option<Trouble>) -> Trouble {
    let mut why = None;
    let mut all = order.authorizations();
    while let Some(found) = all.next().await {
        let Ok(mut authorization) = found else { break };
        let Ok(state) = authorization.refresh().await else { break };
        why = state.challenges.iter().find_map(|it| it.error.clone()).or(why);
    }
    let (hint, port) = match acme.challenge {
        Challenge::Http => ("port 80 of this proxy, in clear", 80),
        Challenge::TlsAlpn => ("port 443 of this proxy, with nothing before it that ends TLS", 443),
    };
    let trouble = match why {
        Some(problem) => {
            let told = problem.detail.as_deref().unwrap_or("it does not say why");
            let trouble =
                Trouble::of(format!("the authority looked, and was not convinced: {told}"));
            Trouble { not_before_s: said.and_then(|it| it.not_before_s), ..trouble }
        }
        None => said.unwrap_or_else(|| Trouble::of("the authority was not convinced")),
    };
    trouble
        .hint(&format!("see that the name leads to this host, and that port {port} reaches {hint}"))
}

/// Nothing that could not be presented takes the place of what serves.
async fn put(root: &Path, host: &str, chain: &str, key: &KeyPair) -> Result<Life, Trouble> {
    let path = issued_path(root, host);
    let directory = path.parent().unwrap_or(root);
    let failed =
        |error: io::Error| Trouble::of(format!("{} cannot be written: {error}", path.display()));
    let text = format!("{}\n{}", chain.trim_end(), key.serialize_pem());
    file::make_directory(directory, file::MODE_PRIVATE_DIRECTORY).map_err(failed)?;
    let trial = acme_directory(root).join("issued.pem");
    file::write(&trial, text.as_bytes(), file::MODE_PRIVATE).map_err(failed)?;
    let files = CertificateFiles { certificate: trial.clone(), key: trial.clone() };
    let facts = match certificate::look(&files, host, now_s()) {
        Ok(facts) => facts,
        Err(trouble) => {
            // It is kept out of the way, and nothing reads it.
            let _ = file::remove(&trial);
            forget(root, host)?;
            return Err(Trouble::of(format!("what was issued cannot be presented: {trouble}")));
        }
    };
    file::rename(&trial, &path).map_err(failed)?;
    if let Err(why) = told(root).await {
        // It looks by itself within seconds.
        tracing::warn!(host, why, "the new certificate is taken later");
    }
    Ok(Life { begins_at_s: facts.begins_at_s, ends_at_s: facts.ends_at_s })
}

fn forget(root: &Path, host: &str) -> Result<(), Trouble> {
    let path = order_path(root, host);
    file::remove(&path)
        .map_err(|error| Trouble::of(format!("{} cannot be removed: {error}", path.display())))
}

fn orders(root: &Path) -> PathBuf {
    acme_directory(root).join("orders")
}

fn order_path(root: &Path, host: &str) -> PathBuf {
    orders(root).join(format!("{host}.json"))
}

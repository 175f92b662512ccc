//! Whose word is taken on who a client is: proxies in front of us.

use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
};

/// Ranges that are looked through for each request.
const RANGES_MAX: usize = 256;
/// More than that many ranges need.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Of the file.
const FORMAT: u32 = 1;

/// Addresses and ranges of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    ranges: Vec<Range>,
}

/// As 128 bits, of which the first so many count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    bits: u128,
    mask: u128,
}

/// `ROOT/proxy/trusted.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedFile {
    format: u32,
    peers: Vec<String>,
}

/// Where the list of a state directory is.
pub fn trusted_path(root: &Path) -> PathBuf {
    root.join("proxy/trusted.json")
}

/// The file's text for these addresses and ranges.
///
/// # Errors
/// When one of them is none.
pub fn trusted_text(peers: &[String]) -> Result<Vec<u8>, String> {
    Trusted::parse(peers)?;
    let file = TrustedFile { format: FORMAT, peers: peers.to_vec() };
    serde_json::to_vec(&file).map_err(|error| error.to_string())
}

impl Trusted {
    /// Addresses such as `127.0.0.1`, and ranges such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// In words, when one is neither, or there are too many.
    pub fn parse(peers: &[String]) -> Result<Trusted, String> {
        if peers.len() > RANGES_MAX {
            return Err(format!("{} addresses are trusted, {RANGES_MAX} can be", peers.len()));
        }
        let ranges = peers.iter().map(|it| Range::parse(it));
        Ok(Trusted { ranges: ranges.collect::<Result<_, _>>()? })
    }

    /// What the file says; nobody, where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn read(root: &Path) -> io::Result<Trusted> {
        let path = trusted_path(root);
        match fs::metadata(&path) {
            Ok(found) if found.len() > FILE_BYTES_MAX => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Trusted::default());
            }
            Err(error) => return Err(error),
        }
        let file: TrustedFile = serde_json::from_slice(&fs::read(&path)?)?;
        if file.format != FORMAT {
            let message = format!("format {} is not known", file.format);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Trusted::parse(&file.peers).map_err(io::Error::other)
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.ranges.iter().any(|it| bits & it.mask == it.bits)
    }

    /// The client, as the last proxy before us names it: walking back over `X-Forwarded-For`, the
    /// first that is none of them.  None: it names nobody.
    pub(crate) fn client(&self, forwarded_for: &[&str]) -> Option<IpAddr> {
        let mut found = None;
        for entry in forwarded_for.iter().rev().flat_map(|it| it.rsplit(',')) {
            // Whatever stands before a word that is no address cannot be believed either.
            let Ok(address) = entry.trim().parse::<IpAddr>() else { return found };
            found = Some(address);
            if !self.contains(address) {
                return found;
            }
        }
        found
    }
}

impl Range {
    fn parse(text: &str) -> Result<Range, String> {
        let wrong = || format!("`{text}` is not an address or a range of them");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(most), |it| it.parse::<u32>().map_err(|_| wrong()))?;
        if length > most {
            return Err(wrong());
        }
        // An IPv4 address is the end of an IPv6 one.
        let length = length + 128 - most;
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Ok(Range { bits: bits(address) & mask, mask })
    }
}

fn bits(address: IpAddr) -> u128 {
    let whole: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    whole.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(peers: &[&str]) -> Trusted {
        Trusted::parse(&peers.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn ranges_cover_what_they_say() {
        let all = trusted(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]);
        for yes in ["127.0.0.1", "::ffff:127.0.0.1", "10.255.0.1", "2001:db8:1::9"] {
            assert!(all.contains(yes.parse().unwrap()), "{yes}");
        }
        for no in ["127.0.0.2", "11.0.0.1", "2001:db9::1", "::1"] {
            assert!(!all.contains(no.parse().unwrap()), "{no}");
        }
        let every = trusted(&["0.0.0.0/0"]);
        assert!(every.contains("8.8.8.8".parse().unwrap()));
        assert!(!every.contains("2001:db8::1".parse().unwrap()), "of IPv4 only");
        assert!(trusted(&["::/0"]).contains("8.8.8.8".parse().unwrap()));
        for wrong in ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "::/129", "1.2.3.4/-1"] {
            assert!(Trusted::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_client_is_the_last_that_is_no_proxy() {
        let all = trusted(&["10.0.0.0/8"]);
        let client = |fields: &[&str]| all.client(fields).map(|it| it.to_string());
        assert_eq!(client(&["192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(client(&["1.1.1.1, 192.0.2.7, 10.0.0.2"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(client(&["192.0.2.7", "10.0.0.2"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(client(&["x, 10.0.0.2"]).as_deref(), Some("10.0.0.2"));
        assert_eq!(client(&["10.0.0.1"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(client(&[]), None);
        assert_eq!(client(&["unknown"]), None);
    }

    #[test]
    fn the_file_says_what_was_written() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Trusted::read(root.path()).unwrap(), Trusted::default());
        fs::create_dir(root.path().join("proxy")).unwrap();
        let text = trusted_text(&["::1".to_owned()]).unwrap();
        fs::write(trusted_path(root.path()), &text).unwrap();
        assert_eq!(Trusted::read(root.path()).unwrap(), trusted(&["::1"]));
        fs::write(trusted_path(root.path()), "[]").unwrap();
        assert!(Trusted::read(root.path()).is_err());
        assert!(trusted_text(&["nobody".to_owned()]).is_err());
    }
}

//! How a value is written in other places than a variable.

/// Fewer letters of base64 than this are found by chance.
const BASE64_LETTERS_MIN: usize = 6;
/// A line of a value that has several is looked for by itself, since a log has one line a record.
const LINE_BYTES_MIN: usize = 4;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// All forms of a value that is looked for.
pub(super) fn all(value: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![value.as_bytes().to_vec()];
    let trimmed = value.trim();
    forms.push(trimmed.as_bytes().to_vec());
    if value.contains(char::is_control) {
        // What a terminal would obey is replaced, or left out, before it is shown.
        for instead in [" ", "\u{fffd}", ""] {
            forms.push(trimmed.replace(char::is_control, instead).into_bytes());
        }
    }
    let quoted = in_json(value);
    for upper in [true, false] {
        forms.push(in_ascii(&quoted, upper).into_bytes());
    }
    forms.push(quoted.replace('/', "\\/").into_bytes());
    forms.push(quoted.into_bytes());
    if trimmed.contains(['\n', '\r']) {
        let lines = trimmed.split(['\n', '\r']).map(str::trim);
        forms.extend(lines.filter(|it| it.len() >= LINE_BYTES_MIN).map(|it| it.into()));
    }
    // What stays as it is differs from one encoder to the next.
    for kept in [&b"-._~"[..], b"-._~!'()*", b"-._~/", b"-._*"] {
        for upper in [true, false] {
            forms.push(percent(value, kept, upper, "%20"));
            forms.push(percent(value, kept, upper, "+"));
        }
    }
    for alphabet in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            forms.extend(base64(value.as_bytes(), before, alphabet));
        }
    }
    forms
}

fn in_json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As writers of JSON do that keep to ASCII.
fn in_ascii(quoted: &str, upper: bool) -> String {
    let mut written = String::new();
    for character in quoted.chars() {
        if character.is_ascii() {
            written.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            written.push_str(&match upper {
                true => format!("\\u{unit:04X}"),
                false => format!("\\u{unit:04x}"),
            });
        }
    }
    written
}

fn percent(value: &str, kept: &[u8], upper: bool, blank: &str) -> Vec<u8> {
    let mut written = String::new();
    for byte in value.bytes() {
        match byte {
            b' ' => written.push_str(blank),
            _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => {
                written.push(char::from(byte));
            }
            _ if upper => written.push_str(&format!("%{byte:02X}")),
            _ => written.push_str(&format!("%{byte:02x}")),
        }
    }
    written.into_bytes()
}

/// The letters that only the value decides, where `before` bytes (modulo 3) stand before it; and
/// with the last one and its padding, where nothing does.
fn base64(value: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(value.iter().copied()).collect();
    let letters: Vec<u8> = bytes
        .chunks(3)
        .flat_map(|chunk| {
            let group = [0, 1, 2].map(|at| chunk.get(at).copied().unwrap_or_default());
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            let letter = |shift: u32| alphabet[(bits >> shift & 63) as usize];
            let all = [letter(18), letter(12), letter(6), letter(0)];
            all.into_iter().take(chunk.len() + 1)
        })
        .collect();
    // A letter has 6 bits, and the first whole one comes after those of the bytes before.
    let first = (before * 8).div_ceil(6);
    let decided = bytes.len() * 8 / 6;
    let mut forms = vec![letters[first..decided].to_vec()];
    if before == 0 && letters.len() > decided {
        forms.push(letters.clone());
        let padding = std::iter::repeat_n(b'=', (4 - letters.len() % 4) % 4);
        forms.push(letters.iter().copied().chain(padding).collect());
    }
    forms.retain(|it| it.len() >= BASE64_LETTERS_MIN);
    forms
}

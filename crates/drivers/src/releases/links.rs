//! Where symbolic links lead.

use super::{
    content::{Content, Entry, Kind},
    refusal::{refused, shown},
};
use model::failure::Failure;

/// Steps that are taken to find where one link leads, through other links too.
const STEPS_MAX: usize = 256;
/// Links that are followed on the way, as many as the kernel follows.
const HOPS_MAX: usize = 40;

/// Refuses the first link that leads out of the content.
pub(super) fn refuse_links_out(content: &Content) -> Result<(), Failure> {
    for (path, entry) in &content.entries {
        if let Kind::Link { target } = &entry.kind
            && !leads_inside(content, path, target)
        {
            let target = shown(target);
            return Err(refused(path, &format!("is a link out of the release, to `{target}`"))
                .hint("make it a relative link to what is sent too, or leave it out"));
        }
    }
    Ok(())
}

/// Whether the link at `path`, followed as the kernel would, stays in the content.  What it leads
/// to need not exist.
fn leads_inside(content: &Content, path: &[u8], target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let mut at = path.to_vec();
    up(&mut at);
    let mut rest: Vec<&[u8]> = components(target).rev().collect();
    let mut hops = 0;
    for _ in 0..STEPS_MAX {
        let Some(next) = rest.pop() else { return true };
        match next {
            b".." if at.is_empty() => return false,
            b".." => up(&mut at),
            b"." => {}
            _ => down(&mut at, next),
        }
        let Some(Entry { kind: Kind::Link { target }, .. }) = content.entries.get(&at) else {
            continue;
        };
        hops += 1;
        if hops > HOPS_MAX || target.starts_with(b"/") {
            return false;
        }
        up(&mut at);
        rest.extend(components(target).rev());
    }
    // So long a way is nobody's honest one.
    rest.is_empty()
}

fn up(at: &mut Vec<u8>) {
    at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
}

fn down(at: &mut Vec<u8>, name: &[u8]) {
    if !at.is_empty() {
        at.push(b'/');
    }
    at.extend_from_slice(name);
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|it| !it.is_empty())
}

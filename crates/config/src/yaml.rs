//! YAML as a tree that knows where each of its nodes stands.
//!
//! The only module that knows the YAML crate.  It takes the parser's events rather than a
//! deserialized value, because a deserializer stops at its first problem, and because a plain
//! `1.10` must stay the text `1.10` where text is wanted.

use crate::report::{Place, Report, child_path, item_path};
use serde_saphyr::granit_parser::{self, Event, ScalarStyle, Span, Tag};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Nodes of one document, those that aliases repeat counted each time.  A thousand projects with
/// two environments are about 60,000.
pub(crate) const NODES_MAX: usize = 1_000_000;

/// Text of all nodes in bytes, that which aliases repeat counted each time.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 20;

/// Mappings and lists within each other, aliases followed.
pub(crate) const DEPTH_MAX: usize = 64;

/// One value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Of its first character.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text; plain if it was written without quotes and may mean a number or a truth value.
    Scalar {
        text: Arc<str>,
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// In the order of the file; keys are unique.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// Reads one document.  None: not even a tree came of it, and the report says why.
pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Node> {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    options.set_emit_comments(false);
    let mut composer = Composer::new(report);
    for next in granit_parser::Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                composer.take(event, span)?;
            }
            Err(error) => {
                composer.syntax_error(&error);
                return None;
            }
        }
    }
    composer.root
}

/// A mapping or list that is not closed yet.
enum Open {
    Sequence { place: Place, anchor: usize, items: Vec<Node>, weight: Weight },
    Mapping { place: Place, anchor: usize, map: OpenMapping, weight: Weight },
}

#[derive(Default)]
struct OpenMapping {
    entries: Vec<Entry>,
    places: HashMap<Arc<str>, Place>,
    key: Option<Key>,
    merged: Vec<Node>,
}

/// A key that waits for its value.
enum Key {
    Named {
        text: Arc<str>,
        place: Place,
        repeated: bool,
    },
    Merge {
        place: Place,
    },
    /// A problem was reported; the value is read and dropped.
    Unusable,
}

/// What a node amounts to once its aliases are followed.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    text_bytes: usize,
    depth: usize,
}

impl Weight {
    fn add(&mut self, inner: Weight) {
        self.nodes += inner.nodes;
        self.text_bytes += inner.text_bytes;
        self.depth = self.depth.max(inner.depth + 1);
    }
}

struct Composer<'r> {
    report: &'r mut Report,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Weight)>,
    total: Weight,
    documents: usize,
    root: Option<Node>,
}

impl<'r> Composer<'r> {
    fn new(report: &'r mut Report) -> Composer<'r> {
        Composer {
            report,
            open: Vec::new(),
            anchors: HashMap::new(),
            total: Weight::default(),
            documents: 0,
            root: None,
        }
    }

    /// None: reading on would be pointless.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let place = place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report.error(place, "", "a second document begins here").hint(
                        "keep everything in one document: remove this `---` and merge the keys",
                    );
                    return None;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !self.text_tag(tag.as_deref(), span);
                let weight = Weight { nodes: 1, text_bytes: text.len(), depth: 1 };
                let value = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Value::Null
                } else {
                    Value::Scalar { text: Arc::from(&*text), plain }
                };
                self.count(weight, place)?;
                return self.complete(Node { place, value }, anchor, weight);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.text_tag(tag.as_deref(), span);
                let weight = Weight { nodes: 1, text_bytes: 0, depth: 1 };
                self.count(weight, place)?;
                self.open.push(Open::Sequence { place, anchor, items: Vec::new(), weight });
                return self.depth_fits(0, place);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.text_tag(tag.as_deref(), span);
                let weight = Weight { nodes: 1, text_bytes: 0, depth: 1 };
                self.count(weight, place)?;
                let map = OpenMapping::default();
                self.open.push(Open::Mapping { place, anchor, map, weight });
                return self.depth_fits(0, place);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(),
            Event::Alias(anchor) => return self.alias(anchor, place),
            Event::UnresolvedAlias(name) => {
                let path = self.path();
                self.report
                    .error(place, path, format!("nothing above is anchored as `&{name}`"))
                    .hint(format!("write `&{name}` before the value to repeat, above this line"));
                return self.complete(Node { place, value: Value::Null }, 0, Weight::default());
            }
            _ => {}
        }
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        // The parser balances its starts and ends, so there is one to close.
        let (node, anchor, weight) = match self.open.pop()? {
            Open::Sequence { place, anchor, items, weight } => {
                (Node { place, value: Value::Sequence(items) }, anchor, weight)
            }
            Open::Mapping { place, anchor, map, weight } => {
                let entries = with_merged(map);
                (Node { place, value: Value::Mapping(entries) }, anchor, weight)
            }
        };
        self.complete(node, anchor, weight)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Option<()> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            let path = self.path();
            self.report
                .error(place, path, "an alias must not stand within the value it repeats")
                .hint("write the inner value out");
            return self.complete(Node { place, value: Value::Null }, 0, Weight::default());
        };
        let (node, weight) = (node.clone(), *weight);
        self.count(weight, place)?;
        self.depth_fits(weight.depth, place)?;
        self.complete(node, 0, weight)
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize, weight: Weight) -> Option<()> {
        if anchor != 0 {
            // The copy counts, or nested anchors would multiply what is held.
            self.count(weight, node.place)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, weight: sum, .. }) => {
                sum.add(weight);
                items.push(node);
            }
            Some(Open::Mapping { weight: sum, map, .. }) => {
                sum.add(weight);
                match map.key.take() {
                    None => {
                        let key = self.key(node);
                        // `key` only reports: the same mapping is still the innermost.
                        if let Some(Open::Mapping { map, .. }) = self.open.last_mut() {
                            map.key = Some(key);
                        }
                    }
                    Some(Key::Unusable) => {}
                    Some(Key::Named { text, place, repeated }) => {
                        if !repeated {
                            map.entries.push(Entry { key: text, place, value: node });
                        }
                    }
                    Some(Key::Merge { place }) => return self.merge(node, place),
                }
            }
        }
        Some(())
    }

    fn key(&mut self, node: Node) -> Key {
        let place = node.place;
        let Value::Scalar { text, plain } = node.value else {
            let path = self.path();
            self.report.error(place, path, "a key must be a word, not a list, mapping or nothing");
            return Key::Unusable;
        };
        if plain && &*text == "<<" {
            return Key::Merge { place };
        }
        let Some(Open::Mapping { map, .. }) = self.open.last_mut() else {
            return Key::Unusable;
        };
        let first = map.places.get(&text).copied();
        if let Some(first) = first {
            let path = child_path(&self.path(), &text);
            self.report
                .error(place, path, format!("`{text}` is given twice: first at {first}"))
                .hint("keep one of the two");
        } else {
            map.places.insert(text.clone(), place);
        }
        Key::Named { text, place, repeated: first.is_some() }
    }

    fn merge(&mut self, node: Node, place: Place) -> Option<()> {
        let sources = match node.value {
            Value::Sequence(items) => items,
            value => vec![Node { place: node.place, value }],
        };
        if sources.iter().any(|it| !matches!(it.value, Value::Mapping(_))) {
            let path = child_path(&self.path(), "<<");
            self.report
                .error(place, path, "`<<` takes a mapping, or a list of mappings")
                .hint("repeat an anchored mapping: `<<: *name`");
            return Some(());
        }
        if let Some(Open::Mapping { map, .. }) = self.open.last_mut() {
            map.merged.extend(sources);
        }
        Some(())
    }

    /// Whether the tag says that this is text, whatever it looks like.
    fn text_tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        let Some(tag) = tag else { return false };
        if tag.core_suffix().is_none() {
            let path = self.path();
            let place = place(span.tag_span().unwrap_or(span));
            let shown = tag.original();
            self.report
                .error(place, path, format!("the tag `{shown}` means nothing here"))
                .hint("remove it");
        }
        tag.core_suffix() == Some("str")
    }

    fn count(&mut self, weight: Weight, place: Place) -> Option<()> {
        self.total.nodes += weight.nodes;
        self.total.text_bytes += weight.text_bytes;
        if self.total.nodes <= NODES_MAX && self.total.text_bytes <= TEXT_BYTES_MAX {
            return Some(());
        }
        let path = self.path();
        let message = format!(
            "too much: more than {NODES_MAX} values or {} MiB of text once aliases are followed",
            TEXT_BYTES_MAX >> 20
        );
        self.report.error(place, path, message).hint("repeat fewer values by aliases");
        None
    }

    fn depth_fits(&mut self, within: usize, place: Place) -> Option<()> {
        if self.open.len() + within <= DEPTH_MAX {
            return Some(());
        }
        let path = self.path();
        self.report.error(place, path, format!("nested more than {DEPTH_MAX} levels deep"));
        None
    }

    fn syntax_error(&mut self, error: &granit_parser::ScanError) {
        let mark = error.marker();
        let place = Place { line: line_of(mark), column: column_of(mark), length: 1 };
        let path = self.path();
        let (message, hint) = syntax_message(error.kind());
        let note = self.report.error(place, path, message);
        if let Some(hint) = hint {
            note.hint(hint);
        }
    }

    /// Of the value that comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match open {
                Open::Sequence { items, .. } => path = item_path(&path, items.len()),
                Open::Mapping { map, .. } => {
                    if let Some(Key::Named { text, .. }) = &map.key {
                        path = child_path(&path, text);
                    }
                }
            }
        }
        path
    }
}

/// The mapping's own entries, then those of merged mappings that it does not give itself.
fn with_merged(map: OpenMapping) -> Vec<Entry> {
    let mut entries = map.entries;
    if map.merged.is_empty() {
        return entries;
    }
    let mut given: HashSet<Arc<str>> = entries.iter().map(|it| it.key.clone()).collect();
    for source in map.merged {
        let Value::Mapping(inner) = source.value else { continue };
        entries.extend(inner.into_iter().filter(|it| given.insert(it.key.clone())));
    }
    entries
}

fn place(span: Span) -> Place {
    let length = if span.end.line() == span.start.line() {
        u32::try_from(span.end.col().saturating_sub(span.start.col())).unwrap_or(1).max(1)
    } else {
        1
    };
    Place { line: line_of(&span.start), column: column_of(&span.start), length }
}

fn line_of(mark: &granit_parser::Marker) -> u32 {
    u32::try_from(mark.line().max(1)).unwrap_or(u32::MAX)
}

fn column_of(mark: &granit_parser::Marker) -> u32 {
    u32::try_from(mark.col() + 1).unwrap_or(u32::MAX)
}

/// What the parser says, in words that say what to do.
fn syntax_message(kind: &granit_parser::ErrorKind) -> (String, Option<&'static str>) {
    use granit_parser::ErrorKind as Kind;
    let hint = match kind {
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInPlainScalar => {
            return ("a tab is used to indent".to_owned(), Some("indent with spaces"));
        }
        Kind::RecursionLimitExceeded => {
            return (format!("nested more than {DEPTH_MAX} levels deep"), None);
        }
        Kind::UnclosedQuotedScalar => Some("close the quotation mark"),
        Kind::InvalidQuotedScalarIndent => Some("close the quotation mark that opens above"),
        Kind::UnclosedFlowCollection { .. } | Kind::MismatchedFlowCollectionEnd { .. } => {
            Some("look for a bracket or brace that is missing or too many")
        }
        Kind::MappingValueNotAllowed => {
            Some("put text that holds `: ` in quotation marks, or indent the line as its siblings")
        }
        Kind::InvalidIndentation | Kind::ExpectedBlockMappingKey => {
            Some("indent the line exactly as its siblings")
        }
        Kind::SimpleKeyExpected => Some("write `key: value`, with a space after the colon"),
        Kind::UnexpectedCharacter { .. } => Some("put the text in quotation marks"),
        Kind::DirectiveDisallowed => Some("remove the line that begins with `%`"),
        _ => None,
    };
    (format!("this is not YAML: {kind}"), hint)
}

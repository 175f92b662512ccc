//! How long a function, a file and a line may be.

use anyhow::{Context, Result};
use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;
const LINE_COLUMNS_MAX: usize = 100;

/// Everything in the file that is too long.
pub fn breaches(path: &str, text: &str) -> Result<Vec<String>> {
    let mut breaches = vec![];
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        breaches.push(format!("{path}: {lines} lines, {FILE_LINES_MAX} may be"));
    }
    for (at, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let at = at + 1;
            breaches.push(format!("{path}:{at}: {columns} columns, {LINE_COLUMNS_MAX} may be"));
        }
    }
    let file = syn::parse_file(text).with_context(|| format!("{path} is no Rust"))?;
    let mut functions = Functions { path, breaches };
    functions.visit_file(&file);
    Ok(functions.breaches)
}

struct Functions<'a> {
    path: &'a str,
    breaches: Vec<String>,
}

impl Functions<'_> {
    fn see(&mut self, signature: &Signature, block: &Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        let lines = last + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let (path, name) = (self.path, &signature.ident);
            let text = format!("{path}:{first}: `{name}` has {lines} lines, ");
            self.breaches.push(format!("{text}{FUNCTION_LINES_MAX} may be"));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, it: &'ast ItemFn) {
        self.see(&it.sig, &it.block);
        visit::visit_item_fn(self, it);
    }

    fn visit_impl_item_fn(&mut self, it: &'ast ImplItemFn) {
        self.see(&it.sig, &it.block);
        visit::visit_impl_item_fn(self, it);
    }

    fn visit_trait_item_fn(&mut self, it: &'ast TraitItemFn) {
        if let Some(block) = &it.default {
            self.see(&it.sig, block);
        }
        visit::visit_trait_item_fn(self, it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_named_with_its_place() {
        let body = "    let _ = 1;\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("fn f() {{\n{body}}}\n// {}\n", "x".repeat(LINE_COLUMNS_MAX));
        let found = breaches("a.rs", &text).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:73: 103 columns"), "{found:?}");
        assert!(found[1].starts_with("a.rs:1: `f` has 72 lines"), "{found:?}");
        assert_eq!(breaches("b.rs", "fn f() {}\n").unwrap(), Vec::<String>::new());
        let file = "// x\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(breaches("c.rs", &file).unwrap(), ["c.rs: 601 lines, 600 may be"]);
    }
}

//! Dependencies between files: a file depends on those that define the items it names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Field, ImplItem, Item, ItemImpl, ItemUse, Local, Macro, Meta, Path, TraitItem, Type,
    Variant,
};

use super::resolve::Target;
use super::source::{Crate, Id, for_tests, only_in_tests};

/// Files that each file depends on, with the names of their items.
pub(super) type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Adds the dependencies between the files of a crate.
///
/// `mod` lines, re-exports and code for tests don't count. Nor does the type of an `impl` block in a child of the type's
/// module, since long `impl` blocks are split that way.
pub(super) fn edges(of: &Crate, edges: &mut Edges) {
    for (id, module) in of.modules.iter().enumerate() {
        let mut names = Names { of, id, seen: BTreeSet::new(), edges };
        for item in &module.items {
            names.visit_item(item);
        }
        // A call of a trait's method doesn't name the trait.
        let unseen = |name: &String| !names.seen.contains(name);
        let imports = module.imports.iter();
        let imports = imports.filter(|import| !import.is_public && unseen(&import.name));
        for path in imports.map(|import| import.path.clone()).collect::<Vec<_>>() {
            names.add(&path);
        }
    }
}

struct Names<'a> {
    of: &'a Crate,
    id: Id,
    /// First segments of all paths.
    seen: BTreeSet<String>,
    edges: &'a mut Edges,
}

impl Names<'_> {
    fn add(&mut self, path: &[String]) {
        self.seen.extend(path.first().cloned());
        for target in self.of.resolve(self.id, path) {
            if let Target::Item(id, name) = target {
                self.edge(id, name);
            }
        }
    }

    fn edge(&mut self, to: Id, name: String) {
        let file = |id: Id| self.of.modules.get(id).map(|module| module.file.clone());
        if let (Some(from), Some(to)) = (file(self.id), file(to))
            && from != to
        {
            self.edges.entry(from).or_default().entry(to).or_default().insert(name);
        }
    }

    /// Returns true if the path leads to an item of an enclosing module.
    fn is_of_parent(&self, path: &[String]) -> bool {
        let parents: Vec<Id> = self.of.and_ancestors(self.id).skip(1).collect();
        let targets = self.of.resolve(self.id, path);
        targets.iter().any(|target| matches!(target, Target::Item(id, _) if parents.contains(id)))
    }

    /// Collects the paths in a macro's arguments, as far as they are visible.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0_u8;
        let mut is_field = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                    path.push(name.to_string());
                }
                TokenTree::Ident(name) => {
                    self.end_of(&mut path);
                    if !is_field && colons == 0 {
                        path.push(name.to_string());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons = colons.saturating_add(1);
                    continue;
                }
                TokenTree::Punct(punct) => {
                    self.end_of(&mut path);
                    is_field = punct.as_char() == '.';
                    colons = 0;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.end_of(&mut path);
                    self.tokens(group.stream());
                }
                TokenTree::Literal(_) => self.end_of(&mut path),
            }
            (colons, is_field) = (0, false);
        }
        self.end_of(&mut path);
    }

    fn end_of(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.add(path);
            path.clear();
        }
    }
}

pub(super) fn segments(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Names<'_> {
    // An import counts where its name is used.
    fn visit_item_use(&mut self, _: &'ast ItemUse) {}

    fn visit_item(&mut self, item: &'ast Item) {
        if !only_in_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        match item {
            TraitItem::Fn(function) if for_tests(&function.attrs) => {}
            _ => visit::visit_trait_item(self, item),
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        if !for_tests(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if !for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let Type::Path(of) = &*item.self_ty else { return visit::visit_item_impl(self, item) };
        let path = segments(&of.path);
        if !self.is_of_parent(&path) {
            return visit::visit_item_impl(self, item);
        }
        self.seen.extend(path.first().cloned());
        for segment in &of.path.segments {
            self.visit_path_arguments(&segment.arguments);
        }
        self.visit_generics(&item.generics);
        if let Some((name, _)) = &item.trait_ {
            self.visit_path(name);
        }
        for item in &item.items {
            self.visit_impl_item(item);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.add(&segments(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, of: &'ast Macro) {
        if let Some(name) = of.path.get_ident().map(ToString::to_string)
            && let Some(id) = self.of.macros.get(&name)
        {
            self.edge(*id, name);
        }
        self.visit_path(&of.path);
        self.tokens(of.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

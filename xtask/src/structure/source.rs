//! Modules of a crate, read from its files, with their definitions and imports.
//!
//! Code for tests is left out; all features count as enabled.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemUse, Meta, Token, UseTree, Visibility};

/// Index of a module in its crate.
pub(super) type Id = usize;

/// Modules of a crate; the first one is its root.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
    /// Module of each macro, by the macro's name.
    pub(super) macros: BTreeMap<String, Id>,
    /// Paths, without `.rs`, of modules for tests.
    tests: Vec<String>,
}

pub(super) struct Module {
    /// Path of its file from the root of the repository.
    pub(super) file: String,
    pub(super) parent: Option<Id>,
    pub(super) children: BTreeMap<String, Id>,
    /// Names of the items it defines, other than modules.
    pub(super) defined: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    pub(super) items: Vec<Item>,
}

/// An imported name, also inside a function.
pub(super) struct Import {
    /// Name in this module; `*` for a glob, `_` for a trait imported for its methods.
    pub(super) name: String,
    pub(super) path: Vec<String>,
    /// True for a re-export.
    pub(super) is_public: bool,
}

impl Crate {
    /// Reads the crate with this root; `text` has the contents of all files.
    pub(super) fn read(root: &str, text: &BTreeMap<&str, &str>) -> anyhow::Result<Self> {
        let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut new = Crate { modules: Vec::new(), macros: BTreeMap::new(), tests: Vec::new() };
        new.file(None, root, directory, text)?;
        Ok(new)
    }

    /// Returns the roots among these paths: `crates/NAME/src/lib.rs` and `main.rs`.
    pub(super) fn roots<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let root = |path: &&str| match path.split('/').collect::<Vec<_>>().as_slice() {
            ["crates", _, "src", name] => ["lib.rs", "main.rs"].contains(name),
            _ => false,
        };
        paths.filter(root).collect()
    }

    /// Returns true if this file is one of its modules, or of their tests.
    pub(super) fn has(&self, file: &str) -> bool {
        let is_below = |start: &String| {
            let rest = file.strip_prefix(start.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        self.modules.iter().any(|module| module.file == file) || self.tests.iter().any(is_below)
    }

    /// Iterates over a module and its ancestors, from the innermost.
    pub(super) fn and_ancestors(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(id), |id| self.modules.get(*id)?.parent)
    }

    /// Adds the module of `file`, whose children are in `directory`.
    fn file(
        &mut self,
        parent: Option<Id>,
        file: &str,
        directory: &str,
        text: &BTreeMap<&str, &str>,
    ) -> anyhow::Result<Id> {
        let source = text.get(file).with_context(|| format!("{file} is missing"))?;
        let parsed = syn::parse_file(source).with_context(|| format!("can't parse {file}"))?;
        self.module(parent, file, directory, parsed.items, text)
    }

    fn module(
        &mut self,
        parent: Option<Id>,
        file: &str,
        directory: &str,
        items: Vec<Item>,
        text: &BTreeMap<&str, &str>,
    ) -> anyhow::Result<Id> {
        let id = self.modules.len();
        let mut imports = Imports(Vec::new());
        let mut defined = BTreeSet::new();
        let mut children = BTreeMap::new();
        let (tests, items): (Vec<Item>, Vec<Item>) = items.into_iter().partition(only_in_tests);
        self.tests.extend(tests.iter().filter_map(|item| match item {
            Item::Mod(module) => Some(format!("{directory}/{}", module.ident)),
            _ => None,
        }));
        let new = Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            defined: BTreeSet::new(),
            imports: Vec::new(),
            items: Vec::new(),
        };
        self.modules.push(new);
        let mut kept = Vec::new();
        for item in items {
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let inside = format!("{directory}/{name}");
                let child = match module.content {
                    Some((_, items)) => self.module(Some(id), file, &inside, items, text)?,
                    None => self.file(Some(id), &format!("{inside}.rs"), &inside, text)?,
                };
                children.insert(name, child);
                continue;
            }
            if let Item::Macro(item) = &item
                && let Some(name) = &item.ident
            {
                self.macros.insert(name.to_string(), id);
            }
            defined.extend(head(&item).0.map(ToString::to_string));
            imports.visit_item(&item);
            kept.push(item);
        }
        let module = self.modules.get_mut(id).context("a module is gone")?;
        (module.children, module.defined, module.imports) = (children, defined, imports.0);
        module.items = kept;
        Ok(id)
    }
}

/// Returns the name of an item where it is defined, and its attributes.
fn head(item: &Item) -> (Option<&Ident>, &[Attribute]) {
    match item {
        Item::Const(item) => (Some(&item.ident), &item.attrs),
        Item::Enum(item) => (Some(&item.ident), &item.attrs),
        Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
        Item::Impl(item) => (None, &item.attrs),
        Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
        Item::Mod(item) => (Some(&item.ident), &item.attrs),
        Item::Static(item) => (Some(&item.ident), &item.attrs),
        Item::Struct(item) => (Some(&item.ident), &item.attrs),
        Item::Trait(item) => (Some(&item.ident), &item.attrs),
        Item::TraitAlias(item) => (Some(&item.ident), &item.attrs),
        Item::Type(item) => (Some(&item.ident), &item.attrs),
        Item::Union(item) => (Some(&item.ident), &item.attrs),
        Item::Use(item) => (None, &item.attrs),
        _ => (None, &[]),
    }
}

struct Imports(Vec<Import>);

impl Visit<'_> for Imports {
    fn visit_item(&mut self, item: &Item) {
        if !only_in_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        // A path that begins with `::` leads to another crate.
        if item.leading_colon.is_none() {
            let is_public = !matches!(item.vis, Visibility::Inherited);
            self.tree(&item.tree, &[], is_public);
        }
    }
}

impl Imports {
    fn tree(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let below = |name: String| [before, &[name]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => {
                return self.tree(&path.tree, &below(path.ident.to_string()), is_public);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.tree(tree, before, is_public));
            }
            UseTree::Glob(_) => ("*".to_owned(), before.to_vec()),
            UseTree::Rename(rename) if rename.ident == "self" => {
                (rename.rename.to_string(), before.to_vec())
            }
            UseTree::Rename(rename) => (rename.rename.to_string(), below(rename.ident.to_string())),
            // `use a::b::{self}`
            UseTree::Name(name) if name.ident == "self" => {
                (before.last().cloned().unwrap_or_default(), before.to_vec())
            }
            UseTree::Name(name) => (name.ident.to_string(), below(name.ident.to_string())),
        };
        self.0.push(Import { name, path, is_public });
    }
}

pub(super) fn only_in_tests(item: &Item) -> bool {
    for_tests(head(item).1)
}

/// Returns true if an item with these attributes is compiled only for tests.
pub(super) fn for_tests(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.any(|cfg| cfg.parse_args().is_ok_and(|condition: Meta| !may_hold(&condition)))
}

/// Returns true if a condition of `cfg` can hold without `test`.
fn may_hold(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return !condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let Ok(parts) = parts else { return true };
    match list.path.get_ident().map(ToString::to_string).as_deref() {
        Some("all") => parts.iter().all(may_hold),
        Some("any") => parts.iter().any(may_hold),
        _ => true,
    }
}

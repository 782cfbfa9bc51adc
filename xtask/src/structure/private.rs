//! State that only one file may change, and types that only one file may implement.

use syn::{Item, ItemImpl, Type, Visibility};

use super::names::segments;
use super::resolve::Target;
use super::source::{Crate, Module};

/// Files with the core's state: each struct is written by its file alone.
pub(super) const STATE: State = State {
    below: "crates/phx-proto/src/socket/",
    structs: &["Channel", "Connection", "Request"],
    open: &[
        ("Context", "what a call hands down to whatever has a part in it"),
        ("Dispatch", "the same, for a frame that came"),
    ],
};

/// Front of the core.
pub(super) const SOCKET: Of = Of("crates/phx-proto/src/socket.rs", "Socket");

/// Other files with an `impl` block of it, each with the reason.
pub(super) const IMPLS: &[(&str, &str)] = &[];

/// Files whose structs are private to them.
pub(super) struct State {
    pub(super) below: &'static str,
    /// Structs that must exist, so that a renamed one is noticed.
    pub(super) structs: &'static [&'static str],
    /// Structs whose fields other files may see, each with the reason.
    pub(super) open: &'static [(&'static str, &'static str)],
}

/// A type: the file that defines it, and its name.
pub(super) struct Of(pub(super) &'static str, pub(super) &'static str);

impl Of {
    fn module<'a>(&self, of: &'a Crate) -> Option<&'a Module> {
        let Of(file, name) = self;
        of.modules.iter().find(|module| module.file == *file && module.defined.contains(*name))
    }
}

/// Returns true if the path belongs to the crate.
fn is_in(of: &Crate, path: &str) -> bool {
    let directory = |file: &str| file.split('/').take(3).map(str::to_owned).collect::<Vec<_>>();
    of.modules.first().is_some_and(|root| directory(&root.file) == directory(path))
}

/// Returns the fields that another file can reach.
pub(super) fn faults(of: &Crate, state: &State) -> Vec<String> {
    let mut faults = Vec::new();
    if !is_in(of, state.below) {
        return faults;
    }
    let mut known = Vec::new();
    let mut open = Vec::new();
    for Module { file, items, children, .. } in &of.modules {
        if !file.starts_with(state.below) {
            continue;
        }
        for item in items {
            let Item::Struct(item) = item else { continue };
            let name = item.ident.to_string();
            let is_open = state.open.iter().any(|(open, _)| *open == name);
            let visible = item.fields.iter().zip(0_usize..);
            let visible = visible.filter(|(field, _)| !matches!(field.vis, Visibility::Inherited));
            for (field, index) in visible {
                open.push(name.clone());
                if !is_open {
                    let field = field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
                    faults.push(format!("{file}: others see {name}'s field {field}"));
                }
            }
            known.push(name);
        }
        let children = children.values().filter_map(|child| of.modules.get(*child));
        let children = children.filter(|child| child.file != *file);
        faults
            .extend(children.map(|child| format!("{} can reach the fields of {file}", child.file)));
    }
    let absent = |name: &&&str| !known.iter().any(|known| known == **name);
    let gone = state.structs.iter().filter(absent);
    faults
        .extend(gone.map(|name| format!("{} has no {name}, which has to be private", state.below)));
    let stale = state.open.iter().filter(|(name, _)| !open.iter().any(|open| open == name));
    faults.extend(stale.map(|(name, _)| format!("{name} is listed as open, and isn't")));
    faults
}

/// Returns unlisted `impl` blocks of a type outside its file, and files that are listed without need.
pub(super) fn impl_faults(of: &Crate, ty: &Of, listed: &[(&str, &str)]) -> Vec<String> {
    if !is_in(of, ty.0) {
        return Vec::new();
    }
    let Of(home, name) = ty;
    let Some(defined) = ty.module(of) else {
        return vec![format!("{home} has no {name}, whose `impl` blocks are looked for")];
    };
    let is_it = |target: &Target| match target {
        Target::Item(id, found) => {
            found == name && of.modules.get(*id).is_some_and(|at| std::ptr::eq(at, defined))
        }
        Target::Module(_) => false,
    };
    let mut found: Vec<&str> = Vec::new();
    for (id, module) in of.modules.iter().enumerate() {
        let mut blocks = module.items.iter().filter_map(implemented);
        if module.file != *home && blocks.any(|path| of.resolve(id, &path).iter().any(is_it)) {
            found.push(&module.file);
        }
    }
    let is_listed = |file: &str| listed.iter().any(|(listed, _)| *listed == file);
    let new = found.iter().filter(|file| !is_listed(file));
    let new = new.map(|file| format!("{file} has an `impl {name}`, which belongs in {home}"));
    let stale = listed.iter().filter(|(file, _)| !found.contains(file));
    let stale = stale.map(|(file, _)| format!("{file} has no `impl {name}` but is listed for one"));
    new.chain(stale).collect()
}

/// Returns the type of an `impl` block without a trait.
fn implemented(item: &Item) -> Option<Vec<String>> {
    match item {
        Item::Impl(ItemImpl { trait_: None, self_ty, .. }) => match &**self_ty {
            Type::Path(path) => Some(segments(&path.path)),
            _ => None,
        },
        _ => None,
    }
}

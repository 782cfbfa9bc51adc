//! State that only one file may change, and blocks of `impl` that only one file may have.

use syn::{Item, ItemImpl, Type, Visibility};

use super::names::segments;
use super::resolve::Target;
use super::source::{Crate, Module};

/// A type, by the file that defines it and its name.
pub(super) struct Of(pub(super) &'static str, pub(super) &'static str);

/// The core's state: each is written by its file alone.
pub(super) const STATE: &[Of] = &[
    Of("crates/phx-proto/src/socket/channel.rs", "Channel"),
    Of("crates/phx-proto/src/socket/connection.rs", "Connection"),
    Of("crates/phx-proto/src/socket/requests.rs", "Request"),
];

/// The front of the core.
pub(super) const SOCKET: Of = Of("crates/phx-proto/src/socket.rs", "Socket");

/// The files that have an `impl` block of it besides its own, each with the reason.
pub(super) const IMPLS: &[(&str, &str)] = &[];

impl Of {
    fn module<'a>(&self, of: &'a Crate) -> Option<&'a Module> {
        let Of(file, name) = self;
        of.modules.iter().find(|module| module.file == *file && module.defined.contains(*name))
    }

    /// Whether the crate is the one that the type is in.
    fn is_in(&self, of: &Crate) -> bool {
        let directory = |file: &str| file.split('/').take(3).map(str::to_owned).collect::<Vec<_>>();
        of.modules.first().is_some_and(|root| directory(&root.file) == directory(self.0))
    }
}

/// Fields of these types that another file can reach.
pub(super) fn faults(of: &Crate, state: &[Of]) -> Vec<String> {
    let mut faults = Vec::new();
    for ty in state.iter().filter(|ty| ty.is_in(of)) {
        let Of(file, name) = ty;
        let Some(module) = ty.module(of) else {
            faults.push(format!("{file} has no {name}, which has to be private"));
            continue;
        };
        let structs = module.items.iter().filter_map(|item| match item {
            Item::Struct(item) if item.ident == *name => Some(item),
            _ => None,
        });
        for (field, index) in structs.flat_map(|item| &item.fields).zip(0_usize..) {
            if !matches!(field.vis, Visibility::Inherited) {
                let field = field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
                faults.push(format!("{file}: {name}'s field {field} is visible outside the file"));
            }
        }
        let children = module.children.values().filter_map(|child| of.modules.get(*child));
        let children = children.filter(|child| child.file != *file);
        faults.extend(children.map(|child| format!("{} can reach {name}'s fields", child.file)));
    }
    faults
}

/// `impl` blocks of a type outside its file that aren't listed, and files listed without need.
pub(super) fn impl_faults(of: &Crate, ty: &Of, listed: &[(&str, &str)]) -> Vec<String> {
    if !ty.is_in(of) {
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

/// The type that an `impl` block without a trait is for.
fn implemented(item: &Item) -> Option<Vec<String>> {
    match item {
        Item::Impl(ItemImpl { trait_: None, self_ty, .. }) => match &**self_ty {
            Type::Path(path) => Some(segments(&path.path)),
            _ => None,
        },
        _ => None,
    }
}

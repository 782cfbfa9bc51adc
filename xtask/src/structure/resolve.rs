//! Resolves paths in the source to items, through imports and re-exports.

use super::source::{Crate, Id, Import, Module};

/// Target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Module(Id),
    /// An item: the module that defines it, and its name there.
    Item(Id, String),
}

impl Crate {
    /// Returns the targets of a path in this module: none if it leads to another crate, several if a type, a function
    /// and a macro share a name.
    pub(super) fn resolve(&self, from: Id, path: &[String]) -> Vec<Target> {
        Resolver { modules: &self.modules, under_way: Vec::new() }.path(from, path)
    }
}

struct Resolver<'a> {
    modules: &'a [Module],
    /// Imports that are being followed, to stop at one that leads to itself.
    under_way: Vec<*const Import>,
}

impl Resolver<'_> {
    fn path(&mut self, from: Id, path: &[String]) -> Vec<Target> {
        let mut at = from;
        let mut rest = path;
        let mut is_anchored = false;
        while let Some((first, behind)) = rest.split_first() {
            at = match first.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => match self.modules.get(at).and_then(|module| module.parent) {
                    Some(parent) => parent,
                    None => return Vec::new(),
                },
                _ => break,
            };
            (rest, is_anchored) = (behind, true);
        }
        if rest.is_empty() && !is_anchored {
            return Vec::new();
        }
        let mut found = vec![Target::Module(at)];
        for name in rest {
            let step = |target| match target {
                Target::Module(id) => self.name(id, name),
                // A variant or another member of the item.
                item @ Target::Item(..) => vec![item],
            };
            found = found.into_iter().flat_map(step).collect();
        }
        found
    }

    fn name(&mut self, id: Id, name: &str) -> Vec<Target> {
        let Some(module) = self.modules.get(id) else { return Vec::new() };
        let mut found: Vec<Target> =
            module.children.get(name).map(|child| Target::Module(*child)).into_iter().collect();
        if module.defined.contains(name) {
            found.push(Target::Item(id, name.to_owned()));
        }
        for import in module.imports.iter().filter(|import| import.name == name) {
            for target in self.import(id, import) {
                if !found.contains(&target) {
                    found.push(target);
                }
            }
        }
        if found.is_empty() {
            for import in module.imports.iter().filter(|import| import.name == "*") {
                for target in self.import(id, import) {
                    if let Target::Module(of) = target {
                        found.extend(self.name(of, name));
                    }
                }
            }
        }
        found
    }

    fn import(&mut self, id: Id, import: &Import) -> Vec<Target> {
        let this: *const Import = import;
        if self.under_way.contains(&this) {
            return Vec::new();
        }
        self.under_way.push(this);
        let found = self.path(id, &import.path);
        self.under_way.pop();
        found
    }
}

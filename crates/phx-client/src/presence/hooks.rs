//! The hooks of a presence: phoenix.js's `onJoin`, `onLeave` and `onSync`.

use std::sync::{Arc, MutexGuard};

use phx_proto::{PresenceChange, PresenceEntry};

use super::Presence;
use crate::shared::{HookId, HookList};
use crate::subscription::Subscription;

type OnJoin<M, E> = dyn Fn(&str, Option<&PresenceEntry<M, E>>, &PresenceEntry<M, E>) + Send + Sync;
type OnLeave<M, E> = dyn Fn(&str, &PresenceEntry<M, E>, &PresenceEntry<M, E>) + Send + Sync;
type OnSync = dyn Fn() + Send + Sync;

pub(super) struct PresenceHooks<M, E> {
    join: HookList<OnJoin<M, E>>,
    leave: HookList<OnLeave<M, E>>,
    sync: HookList<OnSync>,
    last: u64,
}

impl<M, E> PresenceHooks<M, E> {
    /// Runs what there is for `changes`, each with the list of hooks as it is then.
    pub(super) fn run<'a>(lock: impl Fn() -> MutexGuard<'a, Self>, changes: &[PresenceChange<M, E>])
    where
        M: 'a,
        E: 'a,
    {
        for change in changes {
            match change {
                PresenceChange::Joined { key, before, joined } => {
                    let hooks = lock().join.clone();
                    hooks.each("on_join", |hook| hook(key, before.as_deref(), joined));
                }
                PresenceChange::Left { key, after, left } => {
                    let hooks = lock().leave.clone();
                    hooks.each("on_leave", |hook| hook(key, after, left));
                }
                PresenceChange::Synced => {
                    let hooks = lock().sync.clone();
                    hooks.each("on_sync", |hook| hook());
                }
                // A change that this release doesn't know has no hook.
                _ => {}
            }
        }
    }
}

impl<M, E> Default for PresenceHooks<M, E> {
    fn default() -> Self {
        PresenceHooks {
            join: HookList::default(),
            leave: HookList::default(),
            sync: HookList::default(),
            last: 0,
        }
    }
}

/// Hooks; see [`Subscription`] for where they run.
impl<M: Send + Sync + 'static, E: Send + Sync + 'static> Presence<M, E> {
    /// Calls `handler` when metas joined: with the key, the metas before, and those that joined.
    pub fn on_join(
        &self,
        handler: impl Fn(&str, Option<&PresenceEntry<M, E>>, &PresenceEntry<M, E>)
        + Send
        + Sync
        + 'static,
    ) -> Subscription {
        self.hook::<OnJoin<M, E>>(Arc::new(handler), |hooks| &mut hooks.join)
    }

    /// Calls `handler` when metas left: with the key, the metas that remain, and those that left.
    pub fn on_leave(
        &self,
        handler: impl Fn(&str, &PresenceEntry<M, E>, &PresenceEntry<M, E>) + Send + Sync + 'static,
    ) -> Subscription {
        self.hook::<OnLeave<M, E>>(Arc::new(handler), |hooks| &mut hooks.leave)
    }

    /// Calls `handler` once after each state and each diff, when the list is in step with it.
    pub fn on_sync(&self, handler: impl Fn() + Send + Sync + 'static) -> Subscription {
        self.hook::<OnSync>(Arc::new(handler), |hooks| &mut hooks.sync)
    }

    fn hook<F: ?Sized + Send + Sync + 'static>(
        &self,
        function: Arc<F>,
        list: fn(&mut PresenceHooks<M, E>) -> &mut HookList<F>,
    ) -> Subscription {
        let mut hooks = self.state.hooks();
        hooks.last = hooks.last.saturating_add(1);
        let id = HookId(hooks.last);
        list(&mut hooks).add(id, function);
        drop(hooks);
        let state = Arc::downgrade(&self.state);
        Subscription::new(move || {
            let Some(state) = state.upgrade() else { return };
            let removed = list(&mut state.hooks()).remove(id);
            drop(removed);
        })
    }
}

//! Values that stay on the thread that made them, behind handles that may move.
//!
//! The browser's objects belong to one thread, while futures, runtimes and transports of `phx-client` are `Send`. This
//! file is the one place where the two meet.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use slotmap::{DefaultKey, SlotMap};

/// Values of a thread, each with its number.
type Values = SlotMap<DefaultKey, (u64, Rc<dyn Any>)>;

thread_local! {
    static VALUES: RefCell<Values> = RefCell::default();
}

/// Handle of a value that stays on the thread on which it was made.
///
/// The handle is `Send` and `Sync` whatever the value is: on another thread, as there are in a build with WebAssembly
/// threads, [`get`](Self::get) returns `None`. Dropping the handle on its thread drops the value; dropped elsewhere, it
/// leaves the value until that thread ends, since no other thread may touch it.
///
/// Use it for what a hook or a custom connector needs of the page.
///
/// # Examples
///
/// ```no_run,standalone_crate
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// use phx_web::Local;
///
/// let opened = Rc::new(Cell::new(0));
/// let counter = Local::new(Rc::clone(&opened));
/// let socket = phx_web::socket("wss://example.com/socket").on_open(move || {
///     if let Some(counter) = counter.get() {
///         counter.set(counter.get() + 1);
///     }
/// });
/// ```
pub struct Local<T: 'static> {
    /// Place among the values of its thread; `None` if the thread was ending.
    place: Option<DefaultKey>,
    number: u64,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> Local<T> {
    /// Keeps `value` on this thread.
    pub fn new(value: T) -> Self {
        // One counter for all threads: what has the same place on another one has another number.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let value: Rc<dyn Any> = Rc::new(value);
        let place = VALUES.try_with(|values| values.borrow_mut().insert((number, value)));
        Local { place: place.ok(), number, value: PhantomData }
    }

    /// Returns the value; `None` on another thread.
    #[must_use]
    pub fn get(&self) -> Option<Rc<T>> {
        let place = self.place?;
        let value = VALUES.try_with(|values| {
            let values = values.borrow();
            let (number, value) = values.get(place)?;
            (*number == self.number).then(|| Rc::clone(value))
        });
        value.ok()??.downcast().ok()
    }
}

impl<T: 'static> Drop for Local<T> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let value = VALUES.try_with(|values| {
            let mut values = values.borrow_mut();
            let is_ours = values.get(place).is_some_and(|(number, _)| *number == self.number);
            is_ours.then(|| values.remove(place))
        });
        // After the borrow: it may hold other such handles.
        drop(value);
    }
}

impl<T: 'static> std::fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Local(..)")
    }
}

/// Future that runs on the thread on which it was made, and is `Send` and `Sync` whatever it waits for: a promise, in
/// [`credentials`](phx_client::SocketBuilder::credentials) and
/// [`params_with`](phx_client::ChannelBuilder::params_with).
///
/// Polled on another thread, as there are in a build with WebAssembly threads, it never completes there.
///
/// # Examples
///
/// ```no_run,standalone_crate
/// use phx_web::{Credentials, LocalFuture};
///
/// async fn fetch_token() -> Result<String, std::io::Error> {
///     let promise = js_sys::Promise::resolve(&js_sys::JsString::from(".."));
///     let token = js_sys::futures::JsFuture::from(promise).await;
///     token.map(String::from).map_err(|_| std::io::Error::other("no token"))
/// }
///
/// let socket = phx_web::socket("wss://example.com/socket").credentials(|| {
///     LocalFuture::new(async { Ok(Credentials::new().auth_token(fetch_token().await?)) })
/// });
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing until it is polled"]
pub struct LocalFuture<F: 'static>(Local<RefCell<Pin<Box<F>>>>);

impl<F: Future + 'static> LocalFuture<F> {
    /// Keeps `future` on this thread.
    pub fn new(future: F) -> Self {
        LocalFuture(Local::new(RefCell::new(Box::pin(future))))
    }
}

impl<F: Future + 'static> Future for LocalFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.0.get() {
            Some(future) => future.borrow_mut().as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread;

    use super::*;

    /// Counts its drops, and must not be sent.
    struct Page(Rc<Cell<u32>>, Option<Local<Page>>);

    impl Drop for Page {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn page() -> (Local<Page>, Rc<Cell<u32>>) {
        let drops = Rc::new(Cell::new(0));
        (Local::new(Page(Rc::clone(&drops), None)), drops)
    }

    #[test]
    fn the_value_is_there_on_its_thread_and_goes_with_the_handle() {
        let (local, drops) = page();
        assert!(local.get().is_some());
        let held = local.get();
        drop(local);
        assert_eq!(drops.get(), 0, "a call may use it to its end");
        drop(held);
        assert_eq!(drops.get(), 1);
    }

    #[test]
    fn on_another_thread_there_is_none() {
        let (local, drops) = page();
        let (local, other) = thread::spawn(move || {
            let other = Local::new(Rc::new(1));
            assert!(local.get().is_none());
            assert!(other.get().is_some());
            (local, other)
        })
        .join()
        .unwrap();
        assert!(other.get().is_none());
        assert!(local.get().is_some(), "back on its thread");
        assert_eq!(drops.get(), 0);
    }

    #[test]
    fn a_drop_on_another_thread_leaves_the_value_alone() {
        let (local, drops) = page();
        let held = local.get();
        thread::spawn(move || {
            // It has the same place there.
            let other = Local::new(());
            drop(local);
            assert!(other.get().is_some());
        })
        .join()
        .unwrap();
        assert_eq!(drops.get(), 0);
        drop(held);
        assert_eq!(drops.get(), 0, "until the thread ends");
    }

    #[test]
    fn a_future_completes_on_its_thread_alone() {
        fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
            Pin::new(future).poll(&mut Context::from_waker(std::task::Waker::noop()))
        }
        let shared = Rc::new(7);
        let mut future = LocalFuture::new(async move { *shared });
        future = thread::spawn(move || {
            assert!(poll(&mut future).is_pending());
            future
        })
        .join()
        .unwrap();
        assert_eq!(poll(&mut future), Poll::Ready(7));
    }

    #[test]
    fn a_value_may_hold_another() {
        let drops = Rc::new(Cell::new(0));
        let inner = Local::new(Page(Rc::clone(&drops), None));
        let outer = Local::new(Page(Rc::clone(&drops), Some(inner)));
        assert!(outer.get().is_some_and(|page| page.1.is_some()));
        drop(outer);
        assert_eq!(drops.get(), 2);
    }
}

//! The browser's WebSocket as a transport.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use js_sys::{Array, ArrayBuffer, JsString, Uint8Array};
use phx_client::{
    Bytes, CloseCause, CloseCode, Frame, Received, Request, Transport, TransportProperties,
};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    BinaryType, CloseEvent, Event, MessageChannel, MessageEvent, MessagePort, WebSocket,
};

use crate::buffered::{self, LOOK_EVERY};
use crate::inbox::{Call, Inbox};
use crate::local::Local;
use crate::request;
use crate::scope::Scope;
use crate::timer::Timer;

/// A WebSocket of the browser. It belongs to the thread that opened it, and ends on another one.
pub(crate) struct WebSocketTransport {
    connection: Local<Connection>,
    /// Set while the browser has too much to send.
    look: Option<Timer>,
    is_closing: bool,
}

/// The browser's part.
struct Connection {
    socket: WebSocket,
    inbox: Rc<RefCell<Inbox>>,
    _handlers: Handlers,
}

/// A task of the browser after those that it has queued, in which a burst of messages is handled.
struct Later {
    /// Receives what is sent to the other one.
    here: MessagePort,
    there: MessagePort,
    _function: Closure<dyn Fn(MessageEvent)>,
}

struct Handlers {
    _open: Closure<dyn Fn(Event)>,
    _message: Closure<dyn Fn(MessageEvent)>,
    _close: Closure<dyn Fn(CloseEvent)>,
}

impl WebSocketTransport {
    /// Starts to connect.
    pub(crate) fn start(request: &Request, max_frame_size: usize) -> Result<Self, CloseCause> {
        let inbox = Inbox::new(max_frame_size, request.auth_token().is_some());
        let connection = Connection::start(request, inbox)?;
        Ok(WebSocketTransport { connection: Local::new(connection), look: None, is_closing: false })
    }

    pub(crate) fn poll_open(&mut self, cx: &Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.connection()?.inbox.borrow_mut().poll_open(cx)
    }

    fn connection(&self) -> Result<Rc<Connection>, CloseCause> {
        self.connection
            .get()
            .ok_or_else(|| CloseCause::io("the WebSocket belongs to another thread of the page"))
    }
}

impl Connection {
    fn start(request: &Request, inbox: Inbox) -> Result<Self, CloseCause> {
        let url = request::url(request);
        let protocols: Array = request.protocols().iter().map(JsValue::from).collect();
        let socket = WebSocket::new_with_str_sequence(&url, &protocols)
            .map_err(|error| CloseCause::invalid_request(refused("the WebSocket", &error)))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let inbox = Rc::new(RefCell::new(inbox));
        let handlers = Handlers::set(&socket, &inbox);
        Ok(Connection { socket, inbox, _handlers: handlers })
    }

    /// Bytes that may be sent now, if any may.
    fn room(&self) -> Option<usize> {
        buffered::room(self.socket.buffered_amount())
    }

    fn is_open(&self) -> bool {
        self.socket.ready_state() == WebSocket::OPEN
    }

    fn send(&self, frame: &Frame) -> Result<(), CloseCause> {
        let sent = match frame {
            Frame::Text(bytes) => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| CloseCause::io("a text frame isn't UTF-8"))?;
                self.socket.send_with_str(text)
            }
            // A browser takes no memory that threads share.
            Frame::Binary(bytes) if cfg!(target_feature = "atomics") => {
                self.socket.send_with_array_buffer(&Uint8Array::from(&**bytes).buffer())
            }
            Frame::Binary(bytes) => self.socket.send_with_u8_array(bytes),
        };
        sent.map_err(|error| CloseCause::io(refused("a frame", &error)))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The functions end here, so the browser must not call them.
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // It can't fail: the code is allowed.
        let _ = self.socket.close_with_code(CloseCode::NORMAL.as_u16());
    }
}

impl Handlers {
    fn set(socket: &WebSocket, inbox: &Rc<RefCell<Inbox>>) -> Self {
        let opened = Rc::clone(inbox);
        let open = Closure::<dyn Fn(Event)>::new(move |_: Event| {
            let waker = opened.borrow_mut().opened();
            wake(waker);
        });
        let received = Rc::clone(inbox);
        let later = Later::new(inbox);
        let message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let woken = take(&received, &event);
            match woken {
                Call::Now(waker) => waker.wake(),
                Call::Soon if later.as_ref().is_some_and(Later::ask) => {}
                Call::Soon => {
                    let waker = received.borrow_mut().take_waker();
                    wake(waker);
                }
                Call::Not => {}
            }
        });
        let ended = Rc::clone(inbox);
        let close = Closure::<dyn Fn(CloseEvent)>::new(move |event: CloseEvent| {
            let is_online = Scope::current().is_none_or(|scope| scope.is_online());
            let waker = ended.borrow_mut().closed(event.code(), event.reason(), is_online);
            wake(waker);
        });
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        // `error` says nothing, and `close` follows it.
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        Handlers { _open: open, _message: message, _close: close }
    }
}

impl Later {
    fn new(inbox: &Rc<RefCell<Inbox>>) -> Option<Self> {
        let channel = MessageChannel::new().ok()?;
        let inbox = Rc::clone(inbox);
        let function = Closure::<dyn Fn(MessageEvent)>::new(move |_: MessageEvent| {
            let waker = inbox.borrow_mut().take_waker();
            wake(waker);
        });
        let (here, there) = (channel.port1(), channel.port2());
        here.set_onmessage(Some(function.as_ref().unchecked_ref()));
        Some(Later { here, there, _function: function })
    }

    /// Asks for the task. False if the browser refuses.
    fn ask(&self) -> bool {
        self.there.post_message(&JsValue::NULL).is_ok()
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        // The function ends here, and open ports are never collected.
        self.here.set_onmessage(None);
        self.here.close();
    }
}

/// Fetches a message from the browser, unless it is too large: text and bytes are copied once.
fn take(inbox: &RefCell<Inbox>, event: &MessageEvent) -> Call {
    let data = event.data();
    let mut inbox = inbox.borrow_mut();
    let accepts =
        |inbox: &mut Inbox, len| inbox.accepts(usize::try_from(len).unwrap_or(usize::MAX));
    let frame = if let Some(text) = data.dyn_ref::<JsString>() {
        // Each unit of UTF-16 has one byte or more in UTF-8.
        accepts(&mut inbox, text.length()).then(|| Frame::Text(Bytes::from(String::from(text))))
    } else {
        let bytes = data.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer));
        let bytes = bytes.filter(|bytes| accepts(&mut inbox, bytes.length()));
        bytes.map(|bytes| Frame::Binary(Bytes::from(bytes.to_vec())))
    };
    match frame {
        Some(frame) => inbox.received(frame, || event.time_stamp()),
        None => inbox.take_waker().map_or(Call::Not, Call::Now),
    }
}

/// Wakes a task once nothing is borrowed, since that may run anything.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The text of an exception without its message, which may quote the URL, and so its params.
fn refused(what: &str, error: &JsValue) -> String {
    let name = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.name()));
    format!("the browser refused {what}: {}", name.as_deref().unwrap_or("unknown error"))
}

impl Transport for WebSocketTransport {
    fn properties(&self) -> TransportProperties {
        let mut properties = TransportProperties::default();
        // The browser keeps it while the page is slowed down or frozen, and reports its end.
        properties.outlives_pauses = true;
        properties
    }

    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        let connection = self.connection()?;
        let received = connection.inbox.borrow_mut().poll_frame(cx);
        received.map_ok(Received::Frame)
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        let connection = self.connection()?;
        if !connection.is_open() {
            // What is sent now is lost. The end comes soon, and wakes the receiving side.
            return Poll::Pending;
        }
        loop {
            if connection.room().is_some() {
                self.look = None;
                return Poll::Ready(Ok(()));
            }
            let look = self.look.get_or_insert_with(|| Timer::new(Scope::now() + LOOK_EVERY));
            ready!(Pin::new(look).poll(cx));
            self.look = None;
        }
    }

    fn capacity(&self) -> usize {
        self.connection.get().and_then(|connection| connection.room()).unwrap_or_default()
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.connection()?.send(&frame)
    }

    /// Ready at once: the browser sends what it has by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause> {
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(cause) => return Poll::Ready(cause),
        };
        if !std::mem::replace(&mut self.is_closing, true)
            && let Err(error) = connection.socket.close_with_code_and_reason(code.as_u16(), reason)
        {
            return Poll::Ready(CloseCause::io(refused("the close frame", &error)));
        }
        connection.inbox.borrow_mut().poll_end(cx)
    }
}

impl fmt::Debug for WebSocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketTransport").finish_non_exhaustive()
    }
}

//! The elements of the page that the chat reads and writes.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{Document, Element, Event, HtmlInputElement, UrlSearchParams};

#[derive(Clone)]
pub(crate) struct Page {
    document: Document,
    server: String,
    name: String,
    status: Element,
    people: Element,
    messages: Element,
    form: Element,
    text: HtmlInputElement,
}

impl Page {
    /// Returns the page that loaded this program; `None` if it lacks an element.
    pub(crate) fn of_this_program() -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        let element = |id| document.get_element_by_id(id);
        let params = UrlSearchParams::new_with_str(&window.location().search().ok()?).ok()?;
        let name = params.get("name").filter(|name| !name.is_empty());
        Some(Page {
            server: element("chat")?.get_attribute("data-server")?,
            name: name.unwrap_or_else(|| "somebody".to_owned()),
            status: element("status")?,
            people: element("people")?,
            messages: element("messages")?,
            form: element("say")?,
            text: element("text")?.dyn_into().ok()?,
            document,
        })
    }

    /// Returns the URL of the socket.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Returns the name of the person in front of the page.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn show_status(&self, text: &str) {
        self.status.set_text_content(Some(text));
    }

    pub(crate) fn show_people(&self, text: &str) {
        self.people.set_text_content(Some(text));
    }

    /// Adds a line below the messages. It is set as text, so that nobody can send markup.
    pub(crate) fn add_line(&self, text: &str) {
        if let Ok(line) = self.document.create_element("li") {
            line.set_text_content(Some(text));
            // It fails for a node that can't be a child, which this one can.
            let _ = self.messages.append_child(&line);
        }
    }

    /// Calls `say` with each text that is submitted.
    pub(crate) fn on_submit(&self, say: impl Fn(String) + 'static) {
        let text = self.text.clone();
        let listener = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            event.prevent_default();
            say(text.value());
            text.set_value("");
        });
        // The listener lives as long as the page.
        let listener = listener.into_js_value();
        let _ = self.form.add_event_listener_with_callback("submit", listener.unchecked_ref());
    }
}

//! Cases 12 and 13: messages of all sizes, whole and in fragments, that the transport sends back to npm's `ws`, compressed by it
//! with all settings.

use std::time::Duration;

use phx_tokio::websocket::Compression;
use phx_tokio::{CloseCause, CloseCode};

use crate::judge::Judge;
use crate::socket::{connect, echo};

/// Sizes of messages and of their fragments in bytes, 0 for messages without fragments.
const SIZES: [(u32, u32); 18] = [
    (16, 0),
    (64, 0),
    (256, 0),
    (1 << 10, 0),
    (4 << 10, 0),
    (8 << 10, 0),
    (16 << 10, 0),
    (32 << 10, 0),
    (64 << 10, 0),
    (128 << 10, 0),
    (8 << 10, 256),
    (16 << 10, 256),
    (32 << 10, 256),
    (64 << 10, 256),
    (128 << 10, 256),
    (128 << 10, 1 << 10),
    (128 << 10, 4 << 10),
    (128 << 10, 32 << 10),
];

/// The data of the groups of case 12.
const DATA: [&str; 5] = ["json", "picture", "prose", "page", "document"];

/// What the server asks for in the groups of case 13, and the smallest window that it accepts in an offer with these. The last group
/// has a choice, of which it takes the first.
const SETTINGS: [(&str, u8); 7] = [
    ("{}", 9),
    (r#"{"clientNoContextTakeover":true}"#, 9),
    (r#"{"clientMaxWindowBits":9}"#, 9),
    (r#"{"clientMaxWindowBits":15}"#, 15),
    (r#"{"clientNoContextTakeover":true,"clientMaxWindowBits":9}"#, 9),
    (r#"{"clientNoContextTakeover":true,"clientMaxWindowBits":15}"#, 15),
    (r#"{"clientNoContextTakeover":true,"clientMaxWindowBits":9}"#, 9),
];

/// Offers of the client: context takeover, and bits of the windows.
const OFFERS: [(bool, u8); 4] = [(true, 15), (false, 15), (true, 9), (false, 12)];

/// Time limit of a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// A group of cases.
struct Group {
    id: &'static str,
    settings: &'static str,
    min_bits: u8,
    data: &'static str,
}

impl Group {
    /// A group of case 12, from 1: its data differ.
    fn of_data(id: &'static str, number: usize) -> Self {
        let (settings, min_bits) = SETTINGS[0];
        Self { id, settings, min_bits, data: DATA[number - 1] }
    }

    /// A group of case 13, from 1: the server's settings differ.
    fn of_settings(id: &'static str, number: usize) -> Self {
        let (settings, min_bits) = SETTINGS[number - 1];
        Self { id, settings, min_bits, data: DATA[0] }
    }

    /// Has `ws` send the messages of each case and compare what comes back. A short run has a third of the cases, each with one of
    /// the offers; `at` varies which.
    async fn run(self, at: usize) {
        let number =
            std::env::var("PHX_AUTOBAHN_MESSAGES").ok().map(|number| number.parse().unwrap());
        let server = Judge::Ws.serve("cases", &[]).await;
        let mut offers = OFFERS.into_iter().cycle().skip(at);
        let accepted = |offer: &(bool, u8)| offer.1 >= self.min_bits;
        for (index, (size, fragment)) in (1..).zip(SIZES) {
            let chosen = match number {
                Some(_) => OFFERS.into_iter().filter(accepted).collect(),
                None if !(index + at).is_multiple_of(3) => continue,
                None => vec![offers.by_ref().find(accepted).unwrap()],
            };
            for (takeover, bits) in chosen {
                let id = format!("{}.{index} with takeover {takeover} and {bits} bits", self.id);
                let offer = Compression::new().context_takeover(takeover).window_bits(bits);
                let count = number.unwrap_or(1_u32);
                let query = format!(
                    "settings={}&data={}&size={size}&fragment={fragment}&count={count}",
                    self.settings, self.data,
                );
                let query = query.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
                let url = format!("ws://127.0.0.1:{}/socket?{query}", server.port);
                let echoing =
                    async { echo(&mut connect(&url, Some(offer.threshold(1))).await).await };
                let ended = tokio::time::timeout(PATIENCE * count, echoing).await;
                match ended.unwrap_or_else(|_| panic!("{id} hangs")) {
                    CloseCause::Frame { code: CloseCode::NORMAL, .. } => {}
                    cause => panic!("{id}: {cause:?}"),
                }
            }
        }
    }
}

/// Makes each group a test, so that they run beside each other, and one can run alone.
macro_rules! groups {
    ($($name:ident: $kind:ident($id:literal, $number:literal);)*) => {$(
        #[tokio::test]
        async fn $name() {
            Group::$kind($id, $number).run($number).await;
        }
    )*};
}

groups! {
    case_12_1: of_data("12.1", 1);
    case_12_2: of_data("12.2", 2);
    case_12_3: of_data("12.3", 3);
    case_12_4: of_data("12.4", 4);
    case_12_5: of_data("12.5", 5);
    case_13_1: of_settings("13.1", 1);
    case_13_2: of_settings("13.2", 2);
    case_13_3: of_settings("13.3", 3);
    case_13_4: of_settings("13.4", 4);
    case_13_5: of_settings("13.5", 5);
    case_13_6: of_settings("13.6", 6);
    case_13_7: of_settings("13.7", 7);
}

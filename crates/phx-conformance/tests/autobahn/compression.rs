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
    id: String,
    settings: &'static str,
    min_bits: u8,
    data: &'static str,
}

fn groups() -> Vec<Group> {
    let data = DATA.map(|data| (12, SETTINGS[0], data));
    let settings = SETTINGS.map(|settings| (13, settings, DATA[0]));
    let both = (1..).zip(data).chain((1..).zip(settings));
    both.map(|(number, (case, (settings, min_bits), data))| Group {
        id: format!("{case}.{number}"),
        settings,
        min_bits,
        data,
    })
    .collect()
}

#[tokio::test]
async fn ws_gets_back_what_it_compressed() {
    let number = std::env::var("PHX_AUTOBAHN_MESSAGES").ok().map(|number| number.parse().unwrap());
    let server = Judge::Ws.serve("cases", &[]).await;
    let mut offers = OFFERS.into_iter().cycle();
    for (at, group) in groups().into_iter().enumerate() {
        let accepted = |offer: &(bool, u8)| offer.1 >= group.min_bits;
        for (index, (size, fragment)) in (1..).zip(SIZES) {
            // A short run has a third of each group's cases, each with one of the offers.
            let chosen = match number {
                Some(_) => OFFERS.into_iter().filter(accepted).collect(),
                None if (index + at) % 3 > 0 => continue,
                None => vec![offers.by_ref().find(accepted).unwrap()],
            };
            for (takeover, bits) in chosen {
                let id = format!("{}.{index} with takeover {takeover} and {bits} bits", group.id);
                let offer = Compression::new().context_takeover(takeover).window_bits(bits);
                let count = number.unwrap_or(1_u32);
                let query = format!(
                    "settings={}&data={}&size={size}&fragment={fragment}&count={count}",
                    group.settings, group.data,
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

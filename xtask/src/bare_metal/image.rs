//! What a program for a board takes: flash, memory, heap and stack, from its symbols and a copy of its memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, ensure};

use crate::command::Program;

/// Value of the words of the stack that the program hasn't used, see the feature `paint-stack` of cortex-m-rt.
const PAINT: [u8; 4] = 0xCCCC_CCCC_u32.to_le_bytes();

/// The symbols of a program.
pub(crate) struct Image {
    symbols: Vec<Symbol>,
}

struct Symbol {
    address: u64,
    size: u64,
    /// The letter of `nm`.
    kind: char,
    name: String,
}

/// Parts of a program in the table of sizes: its name, and parts of the names of its functions, of which the first counts
/// that is found.
const PARTS: [(&str, &[&str]); 12] = [
    ("url, idna", &["url::", "idna", "percent_encoding", "utf8_iter", "utf_types"]),
    (
        "numbers with a fraction",
        &["dec2flt", "flt2dec", "bignum", "f64", "zmij", "float::", "df", "POW10", "Pow10"],
    ),
    ("sorting", &["slice::sort"]),
    ("serde_json, serde", &["serde_json", "serde_core"]),
    ("the core's presence", &["phx_proto::presence"]),
    (
        "the core's serializers",
        &["phx_proto::serializer", "phx_proto::payload", "phx_proto::message"],
    ),
    ("the core", &["phx_proto", "hashbrown", "slotmap", "foldhash"]),
    ("WebSocket", &["phx_websocket", "sha1", "base64", "httparse"]),
    (
        "the program, with what was inlined into it",
        &["bare_metal", "linked_list_allocator", "__INTERRUPTS", "cortex_m"],
    ),
    ("formatting", &["core::fmt", "fmt::", "Display", "Debug"]),
    ("core, alloc", &["core::", "alloc::", "char", "str"]),
    ("arithmetic, memory", &["compiler_builtins", "__aeabi", "mem"]),
];

impl Image {
    /// Reads the symbols of a program with `nm`, which comes with every linker.
    pub(crate) fn read(path: &str) -> anyhow::Result<Self> {
        let output = Program::new("nm").args(["--demangle", "--print-size", path]).output()?;
        Image::parse(&output)
    }

    fn parse(output: &str) -> anyhow::Result<Self> {
        let mut symbols = Vec::new();
        for line in output.lines() {
            let hex = |text: &str| u64::from_str_radix(text, 16).ok();
            let Some((address, rest)) = line.split_once(' ') else { continue };
            let Some(address) = hex(address) else { continue };
            // The size is there for functions and data alone.
            let (size, rest) = match rest.split_once(' ') {
                Some((size, rest)) if size.len() == 8 => (hex(size).unwrap_or_default(), rest),
                _ => (0, rest),
            };
            let Some((kind, name)) = rest.split_once(' ') else { continue };
            let kind = kind.chars().next().unwrap_or('?');
            symbols.push(Symbol { address, size, kind, name: name.to_owned() });
        }
        ensure!(!symbols.is_empty(), "`nm` lists no symbols");
        Ok(Image { symbols })
    }

    fn address(&self, name: &str) -> anyhow::Result<u64> {
        let symbol = self.symbols.iter().find(|symbol| symbol.name == name);
        Ok(symbol.with_context(|| format!("there is no symbol {name}"))?.address)
    }

    /// Returns the bytes of flash: code, constants, and the first values of variables.
    pub(crate) fn flash(&self) -> anyhow::Result<u64> {
        let constants = self.address("__sidata")? - self.address("__vector_table")?;
        Ok(constants + self.address("__edata")? - self.address("__sdata")?)
    }

    /// Returns the bytes of memory that are the program's from the start, with its heap and without its stack.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        Ok(self.address("_stack_end")? - self.address("__sdata")?)
    }

    /// Returns the start and the length of the board's memory.
    pub(crate) fn range(&self) -> anyhow::Result<(u64, u64)> {
        let start = self.address("__sdata")?;
        Ok((start, self.address("_stack_start")? - start))
    }

    /// Returns the bytes from the heap's start to the last one that was ever used, in a copy of the memory. The allocator
    /// takes the first place that fits, and writes behind it.
    pub(crate) fn heap_peak(&self, memory: &[u8]) -> anyhow::Result<u64> {
        let heap = self.symbols.iter().find(|symbol| symbol.name.ends_with("HEAP_MEM"));
        let heap = heap.context("there is no heap")?;
        let from = usize::try_from(heap.address - self.range()?.0)?;
        let heap =
            memory.get(from..from + usize::try_from(heap.size)?).context("the copy is short")?;
        Ok(heap.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
    }

    /// Returns the bytes of the stack that were ever used, in a copy of the memory.
    pub(crate) fn stack_peak(&self, memory: &[u8]) -> anyhow::Result<u64> {
        let from = usize::try_from(self.memory()?)?;
        let stack = memory.get(from..).context("the copy is short")?;
        let unused = stack.chunks(PAINT.len()).take_while(|word| *word == PAINT).count();
        ensure!(unused > 0, "the stack wasn't painted, or is used up");
        Ok((stack.len() - unused * PAINT.len()) as u64)
    }

    /// Returns a table of the parts of the program in flash, largest first.
    pub(crate) fn table(&self) -> String {
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        for symbol in &self.symbols {
            if symbol.size == 0 || !"tTrRwW".contains(symbol.kind) {
                continue;
            }
            let named =
                PARTS.iter().find(|(_, names)| names.iter().any(|it| symbol.name.contains(it)));
            let part = named.map_or("strings and others", |(part, _)| part);
            *sizes.entry(part).or_default() += symbol.size;
        }
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let mut text = String::new();
        for (part, size) in sizes {
            let _infallible = writeln!(text, "{:>8} bytes  {part}", size);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &str = "\
08000000 R __vector_table
08000188 00000010 T bare_metal::main
08000198 00000020 t url::Url::parse
080001a8 A __sidata
20000000 R __sdata
20000004 R __edata
20000004 00000010 b bare_metal::heap::init::HEAP_MEM
20000014 B _stack_end
20000024 A _stack_start
";

    #[test]
    fn sizes_come_from_symbols() {
        let image = Image::parse(SYMBOLS).unwrap();
        assert_eq!(image.flash().unwrap(), 0x1a8 + 4);
        assert_eq!(image.memory().unwrap(), 0x14);
        assert_eq!(image.range().unwrap(), (0x2000_0000, 0x24));
        assert_eq!(
            image.table(),
            "      32 bytes  url, idna\n      16 bytes  the program, with what was inlined into it\n"
        );
        assert!(Image::parse("").is_err());
    }

    #[test]
    fn peaks_come_from_a_copy_of_the_memory() {
        let image = Image::parse(SYMBOLS).unwrap();
        let mut memory = vec![0; 0x24];
        memory[4 + 9] = 1;
        memory[0x14..0x1c].fill(0xCC);
        assert_eq!(image.heap_peak(&memory).unwrap(), 10);
        assert_eq!(image.stack_peak(&memory).unwrap(), 8);
        memory[0x14] = 0;
        assert!(image.stack_peak(&memory).is_err());
    }
}

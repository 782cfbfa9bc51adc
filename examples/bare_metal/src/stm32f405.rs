//! The board: clock, serial line, console, and a source of randomness that is none.

use core::cell::RefCell;
use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use bare_metal::{Board, Clock, heap, story};
use cortex_m::interrupt::Mutex;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use fastrand::Rng;
use stm32f4::stm32f405::{Peripherals, USART1};

/// The server, as the modem dials it.
const URL: &str = "ws://phoenix:4000/socket";

/// Cycles of the processor in a millisecond.
const CYCLES: u32 = 168_000;

/// Milliseconds since the start. They wrap around after 49 days.
static MILLIS: AtomicU32 = AtomicU32::new(0);

/// A fixed seed: QEMU's machine has no source of randomness.
static RANDOM: Mutex<RefCell<Option<Rng>>> = Mutex::new(RefCell::new(None));

#[exception]
fn SysTick() {
    MILLIS.fetch_add(1, Ordering::Relaxed);
}

#[entry]
fn main() -> ! {
    heap::init();
    hprintln!("THE SEED IS FIXED: this program is for QEMU. A device needs real randomness.");
    let played = Stm32f405::new().map(|mut board| story::run(&mut board, URL, not_random));
    let status = match played {
        Some(Ok(())) => {
            hprintln!("done");
            debug::EXIT_SUCCESS
        }
        Some(Err(failure)) => {
            hprintln!("failed: {}", failure);
            debug::EXIT_FAILURE
        }
        None => debug::EXIT_FAILURE,
    };
    stop(status)
}

/// Fills the bytes with the same values at each start.
fn not_random(bytes: &mut [u8]) {
    cortex_m::interrupt::free(|section| {
        let mut random = RANDOM.borrow(section).borrow_mut();
        random.get_or_insert_with(|| Rng::with_seed(42)).fill(bytes);
    });
}

struct Stm32f405 {
    usart: USART1,
    clock: Clock,
}

impl Stm32f405 {
    /// Takes the board; `None` the second time.
    fn new() -> Option<Self> {
        let mut core = cortex_m::Peripherals::take()?;
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(CYCLES - 1);
        core.SYST.clear_current();
        core.SYST.enable_interrupt();
        core.SYST.enable_counter();
        let usart = Peripherals::take()?.USART1;
        usart.cr3().modify(|_, w| w.rtse().enabled().ctse().enabled());
        usart.cr1().modify(|_, w| w.ue().enabled().te().enabled().re().enabled());
        Some(Stm32f405 { usart, clock: Clock::default() })
    }
}

impl Board for Stm32f405 {
    fn uptime(&mut self) -> Duration {
        self.clock.at(MILLIS.load(Ordering::Relaxed))
    }

    fn read(&mut self) -> Option<u8> {
        if self.usart.sr().read().rxne().bit_is_clear() {
            return None;
        }
        u8::try_from(self.usart.dr().read().dr().bits()).ok()
    }

    fn write(&mut self, byte: u8) -> bool {
        let is_free = self.usart.sr().read().txe().bit_is_set();
        if is_free {
            self.usart.dr().write(|w| w.dr().set(byte.into()));
        }
        is_free
    }

    fn sleep(&mut self, until: Duration) {
        // The tick ends the sleep within a millisecond, so that a byte doesn't wait longer.
        if self.uptime() < until && self.usart.sr().read().rxne().bit_is_clear() {
            cortex_m::asm::wfi();
        }
    }

    fn log(&mut self, line: fmt::Arguments<'_>) {
        hprintln!("{}", line);
    }
}

/// Ends the program, also where an allocation failed. What the panic says isn't shown: its texts would take flash.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    hprintln!("panicked");
    stop(debug::EXIT_FAILURE)
}

/// Ends QEMU. A device would reset itself instead.
fn stop(status: debug::ExitStatus) -> ! {
    debug::exit(status);
    loop {
        cortex_m::asm::wfi();
    }
}

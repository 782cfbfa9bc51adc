//! Types that any value will do for.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// A value of a type that takes any JSON without looking at it, as [`serde::de::IgnoredAny`] does; `None` for all others.
///
/// What such a type is made from needn't be read. And where all types of a program are such, the compiler sees that nothing is,
/// and leaves out the readers: 26 KiB of a microcontroller's flash.
pub(super) fn ignored<'de, T: Deserialize<'de>>() -> Option<T> {
    let mut is_ignored = false;
    let value = T::deserialize(Anything { is_ignored: &mut is_ignored });
    // Some types make a value of an error: one that wanted to know what there is isn't such a type.
    value.ok().filter(|_| is_ignored)
}

/// Any value, and whether it was ignored.
struct Anything<'a> {
    is_ignored: &'a mut bool,
}

/// The type wants to know the value.
#[derive(Debug)]
struct Wanted;

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is wanted")
    }
}

impl core::error::Error for Wanted {}

impl Error for Wanted {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Wanted
    }
}

impl<'de> Deserializer<'de> for Anything<'_> {
    type Error = Wanted;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wanted> {
        Err(Wanted)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wanted> {
        *self.is_ignored = true;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;
    use serde_json::{Map, Value};

    use super::*;

    /// Makes a value of an error.
    struct Lenient;

    impl<'de> Deserialize<'de> for Lenient {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let _ = u64::deserialize(deserializer);
            Ok(Lenient)
        }
    }

    #[test]
    fn only_a_type_that_ignores_is_made_of_nothing() {
        assert!(ignored::<IgnoredAny>().is_some());
        assert!(ignored::<Lenient>().is_none());
        assert!(ignored::<Value>().is_none());
        assert!(ignored::<Map<alloc::string::String, Value>>().is_none());
        assert!(ignored::<()>().is_none());
        assert!(ignored::<Option<IgnoredAny>>().is_none());
    }
}

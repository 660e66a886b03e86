//! The macros that declare a kind.

use std::sync::Arc;

use serde::{
    Deserialize, Deserializer, Serializer,
    de::{DeserializeSeed, Error},
};

use crate::{Entry, List, Options, Serializable};

/// The [`Entry`] of a type in the list of a kind: `entry!(Square as dyn Shape)`.
#[macro_export]
macro_rules! entry {
    ($Option:ty as dyn $Object:path) => {
        $crate::Entry::<dyn $Object> {
            name: <$Option as $crate::Describe>::NAME,
            summary: <$Option as $crate::Describe>::SUMMARY,
            citation: <$Option as $crate::Describe>::CITATION,
            aliases: <$Option as $crate::Describe>::ALIASES,
            bare: <$Option as $crate::Describe>::BARE,
            read: |deserializer| {
                let options: $Option = $crate::private::erased_serde::deserialize(deserializer)?;
                ::std::result::Result::Ok(::std::sync::Arc::new(options))
            },
            schema: |generator| generator.subschema_for::<$Option>(),
        }
    };
}

/// Declares a kind: the type that stands for one choice with its options, and the list of the built-in ones. See the
/// [crate](crate)'s example.
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Choice:ident(dyn $Object:path), kind $kind:literal;
        $($Option:ty),* $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $Choice(::std::sync::Arc<dyn $Object>);

        #[allow(dead_code, reason = "a kind need not use all of these")]
        impl $Choice {
            /// All choices of this kind.
            pub fn list() -> &'static $crate::List<dyn $Object> {
                static LIST: $crate::List<dyn $Object> =
                    $crate::List::new($kind, &[$($crate::entry!($Option as dyn $Object)),*]);
                &LIST
            }

            /// A choice with its options.
            pub fn of(options: impl $Object) -> Self {
                Self(::std::sync::Arc::new(options))
            }

            /// The options, if the choice is of this type.
            pub fn get<T: 'static>(&self) -> ::std::option::Option<&T> {
                let options: &dyn ::std::any::Any = &*self.0;
                options.downcast_ref()
            }

            /// The options, to be changed.
            pub fn edit(&mut self) -> &mut dyn $Object {
                $crate::private::arc_make_mut(&mut self.0)
            }

            /// The default options of a name; none for an unknown name, and where an option has to be given.
            pub fn named(name: &str) -> ::std::option::Option<Self> {
                Self::list().find(name)?.defaults().map(Self)
            }
        }

        impl ::std::ops::Deref for $Choice {
            type Target = dyn $Object;

            fn deref(&self) -> &Self::Target {
                &*self.0
            }
        }

        impl ::std::cmp::PartialEq for $Choice {
            fn eq(&self, other: &Self) -> bool {
                let other: &dyn ::std::any::Any = &*other.0;
                $crate::Options::same(&*self.0, other)
            }
        }

        impl $crate::private::serde::Serialize for $Choice {
            fn serialize<S: $crate::private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                $crate::private::serialize(stringify!($Choice), &*self.0, serializer)
            }
        }

        impl<'de> $crate::private::serde::Deserialize<'de> for $Choice {
            fn deserialize<D: $crate::private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                use $crate::private::serde::de::{Error as _, MapAccess, Visitor};
                struct OneOf;
                impl<'de> Visitor<'de> for OneOf {
                    type Value = $Choice;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        write!(f, concat!("a ", $kind, ": a table with one key, its name"))
                    }

                    fn visit_str<E: $crate::private::serde::de::Error>(
                        self,
                        name: &str,
                    ) -> ::std::result::Result<$Choice, E> {
                        $crate::private::bare($Choice::list(), name).map($Choice).map_err(E::custom)
                    }

                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> ::std::result::Result<$Choice, A::Error> {
                        let known = $crate::private::KnownName($Choice::list());
                        let Some(name) = map.next_key_seed(known)? else {
                            return Err(A::Error::custom(concat!("expected the name of a ", $kind)));
                        };
                        // The built-in choices one by one, so that a format can show the place of a mistake.
                        let choice = match name {
                            $(<$Option as $crate::Describe>::NAME => {
                                $Choice::of(map.next_value::<$Option>()?)
                            })*
                            name => {
                                let entry = $Choice::list().find(name).expect("a name of the list");
                                $Choice(map.next_value_seed($crate::private::AddedOptions(entry))?)
                            }
                        };
                        map.next_key_seed($crate::private::NoOther($kind, name))?;
                        Ok(choice)
                    }
                }
                deserializer.deserialize_any(OneOf)
            }
        }

        impl $crate::private::schemars::JsonSchema for $Choice {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($Choice).into()
            }

            fn json_schema(
                generator: &mut $crate::private::schemars::SchemaGenerator,
            ) -> $crate::private::schemars::Schema {
                $crate::one_of(Self::list(), generator)
            }
        }
    };
}

/// A key that is the name of a choice in a list.
pub struct KnownName<K: ?Sized + 'static>(pub &'static List<K>);

impl<'de, K: ?Sized> DeserializeSeed<'de> for KnownName<K> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        let name = String::deserialize(deserializer)?;
        self.0.find(&name).map(|entry| entry.name).ok_or_else(|| Error::custom(unknown(self.0, &name)))
    }
}

fn unknown<K: ?Sized>(list: &List<K>, name: &str) -> String {
    format!("unknown variant `{name}`, expected one of `{}`", list.names().join("`, `"))
}

/// The end of a table with one key.
pub struct NoOther(pub &'static str, pub &'static str);

impl<'de> DeserializeSeed<'de> for NoOther {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let (Self(kind, name), other) = (self, String::deserialize(deserializer)?);
        Err(Error::custom(format_args!("expected one {kind}, found `{other}` beside `{name}`")))
    }
}

/// The choice of a name that stands alone.
///
/// # Errors
/// A message for an unknown name, and for the name of a choice that has options.
pub fn bare<K: ?Sized>(list: &'static List<K>, name: &str) -> Result<Arc<K>, String> {
    let entry = list.find(name).ok_or_else(|| unknown(list, name))?;
    match entry.defaults() {
        Some(options) if entry.bare => Ok(options),
        _ => Err(format!("`{name}` has options: expected the table {{ {name} = {{ ... }} }}")),
    }
}

/// Reads the options of a choice that a program has added.
pub struct AddedOptions<K: ?Sized + 'static>(pub &'static Entry<K>);

impl<'de, K: ?Sized> DeserializeSeed<'de> for AddedOptions<K> {
    type Value = Arc<K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<K>, D::Error> {
        (self.0.read)(&mut <dyn erased_serde::Deserializer<'_>>::erase(deserializer)).map_err(Error::custom)
    }
}

/// Writes a choice as `{ name: options }`, or as its name if it has none, as serde's derive writes an enum's variant.
///
/// # Errors
/// The serializer's errors.
pub fn serialize<K: Options + ?Sized, S: Serializer>(
    kind: &'static str,
    options: &K,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if options.is_bare() {
        return serializer.serialize_unit_variant(kind, 0, options.name());
    }
    serializer.serialize_newtype_variant(kind, 0, options.name(), &Serializable(options))
}

#[cfg(test)]
mod tests;

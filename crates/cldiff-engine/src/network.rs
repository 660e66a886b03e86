//! The choice of a network, and the `[model]` table of a configuration.

use std::{fmt, ops::Deref};

use cldiff_choices::{Options, Serializable, choice};
use ddpm_core::UNet2DConfig;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor,
        value::{MapAccessDeserializer, StringDeserializer},
    },
};

use crate::EveryNetwork;

macro_rules! networks {
    ($($Config:ty),* $(,)?) => {
        choice! {
            /// The choice of a network, with its options.
            pub struct NetworkConfig(dyn EveryNetwork), kind "network";
            $($Config),*
        }
    };
}
ddpm_core::built_in_networks! { networks! {} }

impl NetworkConfig {
    /// The default options of the network whose directories say that they hold this class.
    pub fn of_class(class: &str) -> Option<Self> {
        let names = Self::list().names().into_iter();
        names.filter_map(Self::named).find(|network| network.reads_class(class))
    }

    /// The classes of all networks.
    pub fn classes() -> Vec<&'static str> {
        Self::list().names().into_iter().filter_map(Self::named).map(|n| n.class_name()).collect()
    }
}

/// The `[model]` table: the keys of a UNet, or one table with the name of another network.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig(pub NetworkConfig);

impl Default for ModelConfig {
    fn default() -> Self {
        Self(NetworkConfig::of(UNet2DConfig::default()))
    }
}

impl ModelConfig {
    /// The path from the `[model]` table to the network's keys: none for a UNet.
    pub fn path(&self) -> Option<&'static str> {
        if self.get::<UNet2DConfig>().is_some() { None } else { Some(self.name()) }
    }
}

impl Deref for ModelConfig {
    type Target = NetworkConfig;

    fn deref(&self) -> &NetworkConfig {
        &self.0
    }
}

impl Serialize for ModelConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.get::<UNet2DConfig>() {
            Some(unet) => Serializable(unet as &dyn Options).serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ModelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Model)
    }
}

/// The keys of a UNet, which stand in the table itself.
fn unet_keys() -> Vec<String> {
    let keys = serde_json::to_value(UNet2DConfig::default()).ok();
    let keys = keys.and_then(|value| value.as_object().map(|fields| fields.keys().cloned().collect()));
    keys.unwrap_or_default()
}

struct Model;

impl<'de> Visitor<'de> for Model {
    type Value = ModelConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table: the keys of a UNet, or the name of a network")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ModelConfig, A::Error> {
        match map.next_key_seed(FirstKey)? {
            None => Ok(ModelConfig::default()),
            Some(First::Network(name)) => {
                let access = WithFirst { first: Some(name), rest: map };
                NetworkConfig::deserialize(MapAccessDeserializer::new(access)).map(ModelConfig)
            }
            Some(First::UNet(key)) => {
                let access = WithFirst { first: Some(key), rest: map };
                let unet = UNet2DConfig::deserialize(MapAccessDeserializer::new(access))?;
                Ok(ModelConfig(NetworkConfig::of(unet)))
            }
        }
    }
}

/// The form of a table, told by the table's first key.
enum First {
    Network(String),
    UNet(String),
}

struct FirstKey;

impl<'de> DeserializeSeed<'de> for FirstKey {
    type Value = First;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<First, D::Error> {
        let key = String::deserialize(deserializer)?;
        let (networks, unet) = (NetworkConfig::list().names(), unet_keys());
        if networks.contains(&key.as_str()) {
            return Ok(First::Network(key));
        }
        if unet.contains(&key) {
            return Ok(First::UNet(key));
        }
        // Told here, where the key's place is known.
        let known: Vec<String> = unet
            .into_iter()
            .chain(networks.into_iter().map(str::to_owned))
            .map(|key| format!("`{key}`"))
            .collect();
        Err(D::Error::custom(format_args!("unknown field `{key}`, expected one of {}", known.join(", "))))
    }
}

/// A map whose first key has been read.
struct WithFirst<A> {
    first: Option<String>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithFirst<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(key) => {
                let key: StringDeserializer<A::Error> = key.into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}

impl JsonSchema for ModelConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModelConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let unet = generator.subschema_for::<UNet2DConfig>();
        let network = generator.subschema_for::<NetworkConfig>();
        json_schema!({ "anyOf": [unet, network] })
    }
}

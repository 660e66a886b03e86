//! Operations on the choice of a data set: building, and finding by a name without options.

use super::{
    DataConfig, DatasetOptions, DatasetPair, ImageDataset, Inventory, Places, Split, published::public_name,
};
use crate::DataError;

impl DataConfig {
    /// Loads or draws the images; warnings name the classes that lack images ([`Inventory`]).
    ///
    /// # Errors
    /// As [`DatasetOptions::build`], with the data set's name before a key.
    pub fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        let pair = self.build_part(places)?;
        Inventory::of(&pair).warn(&self.public_name());
        Ok(pair)
    }

    /// Loads or draws the images of a part of a data set, whose classes the whole will count.
    pub(super) fn build_part(&self, places: &Places) -> Result<DatasetPair, DataError> {
        self.with_checked(|options| options.build(places))
    }

    /// Loads or draws one split, and reads no file of the other where they have files of their own.
    ///
    /// # Errors
    /// As [`DataConfig::build`].
    pub fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        self.with_checked(|options| options.build_split(places, split))
    }

    /// Checks what can be told without files.
    ///
    /// # Errors
    /// As [`DatasetOptions::check`], with the data set's name before a key.
    pub fn check(&self) -> Result<(), DataError> {
        self.with_checked(|_| Ok(()))
    }

    fn with_checked<T>(
        &self,
        then: impl FnOnce(&dyn DatasetOptions) -> Result<T, DataError>,
    ) -> Result<T, DataError> {
        let options: &dyn DatasetOptions = &**self;
        options.check().and_then(|()| then(options)).map_err(|error| error.at(self.name()))
    }

    /// The name outside of configurations: of its directory and on a command line, with hyphens.
    pub fn public_name(&self) -> String {
        public_name(self.name())
    }

    /// The data sets that need no options, with their defaults.
    pub fn without_options() -> Vec<Self> {
        Self::list().names().into_iter().filter_map(Self::ready).collect()
    }

    /// The data set that a name alone means: `fashion-mnist` or `fashion_mnist`, and `emnist-letters` for a division of
    /// EMNIST. None for an unknown name, and where options are needed.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.replace('-', "_");
        let division = |set: Self| {
            let division = name.strip_prefix(set.name())?.strip_prefix('_')?;
            set.divisions().into_iter().find_map(|(name, options)| (name == division).then_some(options))
        };
        Self::ready(&name).or_else(|| Self::without_options().into_iter().find_map(division))
    }

    fn ready(name: &str) -> Option<Self> {
        Self::named(name).filter(|config| config.check().is_ok())
    }
}

//! The shape of an image.

use cldiff_choices::ImageSize;
use serde::{Deserialize, Serialize};

/// Channels, height and width of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageShape {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// The shape of images of a size.
    pub fn of(channels: usize, size: ImageSize) -> Self {
        Self { channels, height: size.height, width: size.width }
    }

    /// Height and width.
    pub fn size(self) -> ImageSize {
        ImageSize { height: self.height, width: self.width }
    }

    /// Bytes of an image.
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether an image has no pixels.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

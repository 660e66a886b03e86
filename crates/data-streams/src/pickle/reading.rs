//! The arguments of instructions: numbers, texts and bytes as they stand in the pickle.

use std::{borrow::Cow, rc::Rc};

use super::{
    Dialect, PickleError, Value,
    machine::{Done, LONGEST_NAME, Machine},
};

impl<'a, D: Dialect<'a>> Machine<'a, D> {
    pub(super) fn chunk<const N: usize>(&mut self) -> Done<&'a [u8; N]> {
        let chunk = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let chunk = chunk.ok_or(PickleError::Cut { at: self.bytes.len() })?;
        self.at += N;
        Ok(chunk)
    }

    pub(super) fn slice(&mut self, length: usize) -> Done<&'a [u8]> {
        let slice = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let slice = slice.ok_or(PickleError::Cut { at: self.bytes.len() })?;
        self.at += length;
        Ok(slice)
    }

    pub(super) fn text(&mut self, length: usize) -> Done<Rc<str>> {
        let slice = self.slice(length)?;
        std::str::from_utf8(slice).map(Into::into).map_err(|_| self.damaged("text that is not UTF-8"))
    }

    pub(super) fn push_bytes(&mut self, length: u64) -> Done {
        let slice = self.slice(usize::try_from(length).unwrap_or(usize::MAX))?;
        self.stack.push(Value::Bytes(Rc::new(Cow::Borrowed(slice))));
        Ok(())
    }

    /// A number of one or two bytes, without a sign.
    pub(super) fn number<const N: usize>(&mut self) -> Done {
        let number = self.chunk::<N>()?.iter().rev().fold(0, |number, &byte| number << 8 | i64::from(byte));
        self.stack.push(Value::Int(number));
        Ok(())
    }

    /// A number of any length, with a sign.
    pub(super) fn long(&mut self) -> Done {
        let [length] = *self.chunk()?;
        let slice = self.slice(length.into())?;
        if slice.len() > 8 {
            return Err(self.damaged("a number of more than 64 bits"));
        }
        let sign = slice.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { 0xff });
        let mut bytes = [sign; 8];
        bytes[..slice.len()].copy_from_slice(slice);
        self.stack.push(Value::Int(i64::from_le_bytes(bytes)));
        Ok(())
    }

    pub(super) fn line(&mut self) -> Done<Rc<str>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(LONGEST_NAME).position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| self.damaged("a name without an end"))?;
        let line = self.text(length)?;
        self.at += 1;
        Ok(line)
    }
}

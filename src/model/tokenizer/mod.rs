//! Text to tokens and back, from a `tokenizer.json` or from a GGUF file's vocabulary.

pub mod chat;
mod gguf;
mod growth;
mod hf;
mod learn;
mod save;
mod special;

use tokenizers::tokenizer::Tokenizer as Backend;

use self::chat::ChatTemplate;
pub use self::chat::Message;
pub use self::hf::Files;
pub use self::learn::LearnOptions;
use self::special::Special;
use super::weights::gguf::Metadata;
use crate::error::{Error, Result};
use crate::panics::caught;

/// A model's tokenizer with its special tokens and, where it has one, its chat template.
pub struct Tokenizer {
    backend: Backend,
    special: Special,
    chat: Option<ChatTemplate>,
    size: usize,
}

/// A token and the part of the text that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpan {
    /// The token's id.
    pub id: u32,
    /// `text[start..end]`; the token's own name where it stands for no part of the text (an added
    /// beginning-of-sequence token).
    pub text: String,
    /// First byte in the text.
    pub start: usize,
    /// One past the last byte. Tokens that are parts of one character (bytes of an emoji) share the
    /// character's span.
    pub end: usize,
}

impl Tokenizer {
    /// From the files of a model in Hugging Face layout.
    ///
    /// # Errors
    /// Names the file: no tokenizer.json, one that is broken or has no tokens, a chat template that
    /// does not parse.
    pub fn from_files(files: &Files) -> Result<Self> {
        let parts = hf::read(files)?;
        Self::assemble(parts.backend, parts.special, parts.chat)
    }

    /// From the vocabulary in a GGUF file's metadata.
    ///
    /// # Errors
    /// Names the key: a vocabulary that is missing, empty or contradicts itself, a kind or
    /// pre-tokenizer that is not supported.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let parts = gguf::read(metadata)?;
        Self::assemble(parts.backend, parts.special, parts.chat)
    }

    fn assemble(backend: Backend, special: Special, template: Option<String>) -> Result<Self> {
        let size = backend.get_vocab_size(true);
        if size == 0 {
            return Err(Error::new("the tokenizer's vocabulary is empty"));
        }
        let chat = template.map(|template| ChatTemplate::new(template, &special)).transpose()?;
        Ok(Self { backend, special, chat, size })
    }

    /// Token ids of a text. `add_special` adds what the model's tokenizer puts around a text, such
    /// as a beginning-of-sequence token. Special tokens written in the text are recognised.
    ///
    /// # Errors
    /// A text that the vocabulary cannot express.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        Ok(self.run(text, add_special)?.get_ids().to_vec())
    }

    /// Token ids of a prompt: with special tokens, unless the text already begins with the
    /// beginning-of-sequence token, as text that a chat template rendered does.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let begun = self.special.bos.as_ref().is_some_and(|bos| text.starts_with(bos.text.as_str()));
        self.encode(text, !begun)
    }

    /// Tokens of a text with the bytes that each stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_offsets(&self, text: &str, add_special: bool) -> Result<Vec<TokenSpan>> {
        let encoding = self.run(text, add_special)?;
        let names = encoding.get_tokens().iter();
        let spans = encoding.get_ids().iter().zip(encoding.get_offsets()).zip(names);
        Ok(spans
            .map(|((id, (start, end)), name)| {
                let text = match text.get(*start..*end) {
                    Some(part) if start < end => part.to_owned(),
                    _ => name.clone(),
                };
                TokenSpan { id: *id, text, start: *start, end: *end }
            })
            .collect())
    }

    fn run(&self, text: &str, add_special: bool) -> Result<tokenizers::Encoding> {
        guarded("encoding a text", || self.backend.encode(text, add_special))
    }

    /// The text of token ids; `skip_special` leaves special tokens out.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| self.backend.id_to_token(**id).is_none()) {
            return Err(Error::new(format!("no token has id {id}, the vocabulary has {}", self.size)));
        }
        guarded("decoding tokens", || self.backend.decode(ids, skip_special))
    }

    /// How a token reads in a text (` the`), or its name in the vocabulary (`<0xF0>`) where it is
    /// only a part of a character.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn token_text(&self, id: u32) -> Result<String> {
        let text = self.decode(&[id], false)?;
        match self.backend.id_to_token(id) {
            Some(name) if text.is_empty() || (text.contains('\u{FFFD}') && !name.contains('\u{FFFD}')) => {
                Ok(name)
            }
            _ => Ok(text),
        }
    }

    /// The id of the one token that a text makes (` the`), or whose name it is in the vocabulary
    /// (`<bos>`, `Ġthe`).
    pub fn token_id(&self, text: &str) -> Option<u32> {
        match self.encode(text, false).as_deref() {
            Ok([id]) => Some(*id),
            _ => self.backend.token_to_id(text),
        }
    }

    /// Number of tokens, added ones included. A model's embedding may have more rows, or fewer.
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The beginning-of-sequence token, if the model has one.
    pub fn bos(&self) -> Option<u32> {
        self.special.bos.as_ref().map(|token| token.id)
    }

    /// Every token after which a generation ends: the end of sequence, those of
    /// `generation_config.json`, and the ends of a turn that the vocabulary knows. Sorted.
    pub fn eos_ids(&self) -> &[u32] {
        &self.special.eos_ids
    }

    /// True where the model brought a chat template.
    pub fn has_chat_template(&self) -> bool {
        self.chat.is_some()
    }

    /// A conversation as the model's chat template writes it; `add_generation_prompt` opens the
    /// model's next turn.
    ///
    /// # Errors
    /// A model without a template, a template that raises an exception, fails or does not end.
    pub fn render_chat(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let Some(chat) = &self.chat else {
            return Err(Error::new("the model has no chat template")
                .hint("write the prompt as the model was trained on it, or use an instruction-tuned model"));
        };
        chat.render(messages, add_generation_prompt)
    }
}

/// Calls into the tokenizers crate, whose models index without a check where a file contradicts
/// itself in ways that the readers here do not know.
fn guarded<T>(what: &str, call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match caught(call) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(Error::new(format!("{what}: {error}"))),
        None => Err(Error::new(format!("{what}: the tokenizer's file contradicts itself"))),
    }
}

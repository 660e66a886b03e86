//! The parts that a network's parameters belong to, told by the names that they have in checkpoints of PyTorch's networks.

/// Whether a parameter belongs to attention: `mid_block.attentions.0.to_q.weight`, `blocks.3.attn.qkv.weight`.
pub(crate) fn is_attention(name: &str) -> bool {
    name.split('.').any(|part| part.starts_with("attn") || part.starts_with("attention"))
}

/// Whether a parameter is the table of class embeddings, of a UNet or a DiT; a row of it is one class's.
pub(crate) fn is_class_embedding(name: &str) -> bool {
    name.starts_with("class_embedding.") || name.contains("embedding_table.")
}

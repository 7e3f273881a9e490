//! A remark where a model's number format is too coarse for what is asked of it.

use candle_core::DType;
use rhai::NativeCallContext;

use crate::device::significant_bits;
use crate::model::Model;
use crate::script::context::Context;
use crate::script::error::ScriptResult;

/// Says, once a run for each format, that logits of `model` are too coarse to be compared: where it was
/// opened in a narrower format than float32.
pub fn warn_where_coarse(call: &NativeCallContext, model: &Model) -> ScriptResult<()> {
    let dtype = model.decoder().dtype();
    let bits = significant_bits(dtype);
    if bits < significant_bits(DType::F32) {
        Context::of(call)?.note_once(&format!(
            "warning: a model opened in {name} is measured. Its logits have {bits} significant bits: from 2 to 4 \
             they are multiples of 1/{fine}, from 16 to 32 of 1/{coarse}, and smaller effects are lost.\n\
             Analysis wants float32: --dtype f32, or load_model(…, #{{ dtype: \"f32\" }}).",
            name = dtype.as_str(),
            fine = 1u64 << bits.saturating_sub(2),
            coarse = 1u64 << bits.saturating_sub(5),
        ));
    }
    Ok(())
}

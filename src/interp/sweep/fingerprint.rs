//! What tells a sweep from others, so that finished cells of one are not taken for another's.

use candle_core::{DType, Tensor};

use super::{Source, Sweep, sequences_of};

impl Sweep<'_> {
    /// All on which the numbers of a cell depend but its name. The baseline stands for the weights.
    pub(super) fn fingerprint(
        &self,
        baseline: &[f64],
        source: Option<&[f64]>,
    ) -> Vec<(&'static str, String)> {
        let bits = |values: &[f64]| values.iter().map(|value| format!("{:016x}", value.to_bits())).collect();
        let put_in: Vec<_> = self.spots.iter().map(|spot| (&spot.label, self.plan.put_in(spot))).collect();
        let what = match &self.source {
            Source::Run => "run".to_string(),
            Source::Zero => "zero".to_string(),
            Source::Mean(prompts) => format!("mean {:?}", sequences_of(prompts)),
            Source::Fixed(tensor) => format!("fixed {}", tensor_bits(tensor)),
            Source::Add(tensor) => format!("add {}", tensor_bits(tensor)),
        };
        vec![
            ("model", self.plan.model.reference().to_string()),
            ("engine", format!("{:?}", self.engine)),
            ("prompts", format!("{:?}", self.plan.scoring.sequences())),
            ("metric", format!("{:?}", self.plan.scoring.reads())),
            ("positions", format!("{put_in:?}")),
            ("source", what),
            ("source prompts", format!("{:?}", self.plan.donor.as_ref().map(|d| d.scoring.sequences()))),
            ("baseline", bits(baseline)),
            ("source's metric", source.map(bits).unwrap_or_default()),
        ]
    }
}

/// The values of a tensor, whatever its shape and dtype.
pub fn numbers(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.flatten_all().and_then(|flat| flat.to_dtype(DType::F32)?.to_vec1());
    flat.unwrap_or_default()
}

fn tensor_bits(tensor: &Tensor) -> String {
    let bits: String = numbers(tensor).iter().map(|value| format!("{:08x}", value.to_bits())).collect();
    format!("{:?} {bits}", tensor.dims())
}

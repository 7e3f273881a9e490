//! The names of devices and number formats, as users give them.

use candle_core::{DType, Device};

use crate::error::{Error, Result, did_you_mean};

/// The device called `name`: `cpu`, `cuda`, `cuda:1`, `metal`.
///
/// # Errors
/// The name is unknown, this build lacks the device's feature, or the device is not there.
pub fn device(name: &str) -> Result<Device> {
    let (kind, ordinal) = match name.split_once(':') {
        None => (name, 0),
        Some((kind, number)) => (
            kind,
            number.parse::<usize>().map_err(|_| {
                Error::new(format!(
                    "device \"{name}\": expected a number after the colon, found \"{number}\""
                ))
            })?,
        ),
    };
    let built_in = |feature: &str, present: bool| match present {
        true => Ok(()),
        false => Err(Error::new(format!("this build of mora knows no {kind} devices"))
            .hint(format!("build it with `cargo build --release --features {feature}`"))),
    };
    match kind {
        "cpu" if ordinal == 0 => Ok(Device::Cpu),
        "cuda" => {
            built_in("cuda", candle_core::utils::cuda_is_available())?;
            Device::new_cuda(ordinal).map_err(|error| Error::from(error).within(name))
        }
        "metal" => {
            built_in("metal", candle_core::utils::metal_is_available())?;
            Device::new_metal(ordinal).map_err(|error| Error::from(error).within(name))
        }
        _ => Err(Error::new(format!("unknown device \"{name}\", expected cpu, cuda:N or metal"))),
    }
}

/// The name of a device, as [`device`] reads it.
pub fn device_name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".into(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

const DTYPES: [(&str, DType); 13] = [
    ("f32", DType::F32),
    ("f64", DType::F64),
    ("f16", DType::F16),
    ("bf16", DType::BF16),
    ("i64", DType::I64),
    ("i32", DType::I32),
    ("i16", DType::I16),
    ("u32", DType::U32),
    ("u8", DType::U8),
    ("float32", DType::F32),
    ("float64", DType::F64),
    ("float16", DType::F16),
    ("bfloat16", DType::BF16),
];

/// The number format called `name`: `f32`, `bf16`, `f16`, `f64`, `i64`, `u32`, `u8`, …
///
/// # Errors
/// The name is unknown.
pub fn dtype(name: &str) -> Result<DType> {
    DTYPES.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype).ok_or_else(|| {
        let error =
            Error::new(format!("unknown dtype \"{name}\", expected f32, f64, f16, bf16, i64, u32 or u8"));
        match did_you_mean(name, DTYPES.iter().map(|(known, _)| *known)) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}

/// The number format called `name`, as weights can have it: one with fractions.
///
/// # Errors
/// The name is unknown, or of a format of integers.
pub fn weight_format(name: &str) -> Result<DType> {
    let is_float = |dtype: &DType| matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16);
    let known = DTYPES.iter().filter(|(_, dtype)| is_float(dtype));
    if let Some((_, dtype)) = known.clone().find(|(known, _)| *known == name) {
        return Ok(*dtype);
    }
    let error = Error::new(format!("weights cannot be \"{name}\", expected f32, f64, f16 or bf16"));
    Err(match did_you_mean(name, known.map(|(known, _)| *known)) {
        Some(hint) => error.hint(hint),
        None => error.hint("f32 agrees with transformers to 1e-4; bf16 and f16 take half its memory"),
    })
}

/// Significant bits of a number of this format, the leading one among them; 0 for integers.
///
/// Between 2^k and 2^(k+1) such numbers are multiples of 2^(k+1−bits).
pub fn significant_bits(dtype: DType) -> u32 {
    match dtype {
        DType::F64 => f64::MANTISSA_DIGITS,
        DType::F32 => f32::MANTISSA_DIGITS,
        DType::F16 => half::f16::MANTISSA_DIGITS,
        DType::BF16 => half::bf16::MANTISSA_DIGITS,
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_dtypes_are_candles_own() {
        for (name, dtype_of_name) in &DTYPES[..9] {
            assert_eq!(dtype_of_name.as_str(), *name);
            assert_eq!(dtype(name).unwrap(), *dtype_of_name);
        }
        assert!(dtype("float8").is_err());
        assert_eq!(weight_format("float64").unwrap(), DType::F64);
        for wrong in ["i64", "u8", "f8"] {
            let error = weight_format(wrong).unwrap_err();
            assert!(error.what().ends_with("expected f32, f64, f16 or bf16"), "{error}");
        }
    }

    #[test]
    fn significant_bits_give_the_distance_to_the_next_number() {
        let bf16 = |bits| f64::from(half::bf16::from_bits(bits));
        let f16 = |bits| f64::from(half::f16::from_bits(bits));
        for k in [1, 4] {
            let low = 2f64.powi(k);
            let (b, h) = (half::bf16::from_f64(low).to_bits(), half::f16::from_f64(low).to_bits());
            let step = |dtype| 2f64.powi(k + 1 - significant_bits(dtype) as i32);
            assert_eq!(bf16(b + 1) - low, step(DType::BF16));
            assert_eq!(f16(h + 1) - low, step(DType::F16));
            assert_eq!(f64::from((low as f32).next_up()) - low, step(DType::F32));
        }
    }

    #[test]
    fn a_device_that_is_not_there_says_so() {
        assert!(device("cpu").unwrap().is_cpu());
        assert_eq!(device_name(&device("cpu").unwrap()), "cpu");
        assert!(device("cuda:x").unwrap_err().what().contains("number after the colon"));
        assert!(device("tpu").unwrap_err().what().contains("unknown device"));
    }
}

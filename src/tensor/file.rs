//! Tensors in files: safetensors (many, with axis names) and NumPy's npy (one).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use super::{NamedTensor, npy};
use crate::error::{Context, Error, Result};
use crate::save::write_whole;

/// The entry of a safetensors header that holds axis names: a JSON map of tensor to names.
const AXES: &str = "axes";

/// The name of a tensor that is saved alone.
const ALONE: &str = "tensor";

#[derive(PartialEq)]
enum Format {
    Npy,
    Safetensors,
}

fn format(path: &Path) -> Result<Format> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => Ok(Format::Npy),
        Some("safetensors") => Ok(Format::Safetensors),
        _ => {
            Err(Error::new(format!("{}: expected a name that ends in .safetensors or .npy", path.display())))
        }
    }
}

/// Writes one tensor as `.npy` or `.safetensors`, after the extension.
///
/// # Errors
/// The extension is another, or the file cannot be written.
pub fn save(tensor: &NamedTensor, path: &Path) -> Result<()> {
    match format(path)? {
        Format::Npy => write_whole(path, |file| npy::write(tensor.tensor(), file)),
        Format::Safetensors => save_all(&BTreeMap::from([(ALONE.to_owned(), tensor.clone())]), path),
    }
}

/// Writes several tensors as `.safetensors`.
///
/// # Errors
/// The extension is another, or the file cannot be written.
pub fn save_all(tensors: &BTreeMap<String, NamedTensor>, path: &Path) -> Result<()> {
    if format(path)? != Format::Safetensors {
        return Err(Error::new(format!(
            "{}: an .npy file holds one tensor, found {}",
            path.display(),
            tensors.len()
        ))
        .hint("save several as .safetensors"));
    }
    let names: BTreeMap<&str, &[String]> =
        tensors.iter().filter_map(|(name, tensor)| Some((name.as_str(), tensor.names()?))).collect();
    // One entry only: the header would list several in no fixed order.
    let info = match names.is_empty() {
        true => None,
        false => Some(HashMap::from([(AXES.to_owned(), serde_json::to_string(&names)?)])),
    };
    let data: candle_core::Result<Vec<(&str, Tensor)>> =
        tensors.iter().map(|(name, tensor)| Ok((name.as_str(), tensor.tensor().contiguous()?))).collect();
    let bytes = safetensors::serialize(data?, info).map_err(|error| Error::new(error.to_string()))?;
    write_whole(path, |file| Ok(file.write_all(&bytes)?))
}

/// Reads the tensor of an `.npy` file, or the only one of a `.safetensors` file.
///
/// # Errors
/// The file cannot be read, is damaged, or holds several tensors.
pub fn load(path: &Path, device: &Device) -> Result<NamedTensor> {
    if format(path)? == Format::Npy {
        let bytes = std::fs::read(path).within(|| path.display().to_string())?;
        return Ok(npy::read(&bytes, device).within(|| path.display().to_string())?.into());
    }
    let mut tensors = load_all(path, device)?;
    let names: Vec<String> = tensors.keys().cloned().collect();
    match tensors.pop_first() {
        Some((_, tensor)) if tensors.is_empty() => Ok(tensor),
        _ => Err(Error::new(format!("{}: expected one tensor, found {}", path.display(), names.len()))
            .hint(format!("load_tensors reads all of them: {}", names.join(", ")))),
    }
}

/// Reads all tensors of a `.safetensors` file.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn load_all(path: &Path, device: &Device) -> Result<BTreeMap<String, NamedTensor>> {
    if format(path)? != Format::Safetensors {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(BTreeMap::from([(name, load(path, device)?)]));
    }
    let read = || -> Result<BTreeMap<String, NamedTensor>> {
        let bytes = std::fs::read(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| Error::new(error.to_string()))?;
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| Error::new(error.to_string()))?;
        let axes = header.metadata().as_ref().and_then(|info| info.get(AXES));
        let axes: BTreeMap<String, Vec<String>> =
            axes.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        file.tensors()
            .into_iter()
            .map(|(name, view)| {
                let dtype = DType::try_from(view.dtype()).within(|| format!("tensor \"{name}\""))?;
                let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), device)?;
                // Names that do not fit the shape come from another writer and say nothing.
                let tensor = match axes.get(&name).map(|axes| NamedTensor::named(tensor.clone(), axes)) {
                    Some(Ok(named)) => named,
                    _ => tensor.into(),
                };
                Ok((name, tensor))
            })
            .collect()
    };
    read().within(|| path.display().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> NamedTensor {
        let tensor = Tensor::arange(0_f32, 6.0, &Device::Cpu).unwrap().reshape((2, 3)).unwrap();
        NamedTensor::named(tensor, &["pos", "d"]).unwrap()
    }

    #[test]
    fn safetensors_keep_values_formats_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let half = sample().to_dtype(DType::BF16).unwrap();
        let tensors = BTreeMap::from([("a".to_owned(), sample()), ("b".to_owned(), half)]);
        save_all(&tensors, &path).unwrap();
        let read = load_all(&path, &Device::Cpu).unwrap();
        for (name, tensor) in &tensors {
            assert_eq!(read[name].to_string(), tensor.to_string());
            assert!(read[name].is_close(tensor, 0.0).unwrap());
        }
        let first = std::fs::read(&path).unwrap();
        save_all(&tensors, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(
            load(&path, &Device::Cpu).unwrap_err().help(),
            Some("load_tensors reads all of them: a, b")
        );
    }

    #[test]
    fn a_tensor_alone_comes_back_from_either_format() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x.npy", "x.safetensors"] {
            let path = folder.path().join(name);
            save(&sample(), &path).unwrap();
            assert!(load(&path, &Device::Cpu).unwrap().is_close(&sample(), 0.0).unwrap());
        }
        assert!(save(&sample(), &folder.path().join("x.txt")).is_err());
        assert!(load(&folder.path().join("y.npy"), &Device::Cpu).is_err());
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        save(&sample(), &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 4, 8, 20, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(load(&path, &Device::Cpu).is_err(), "{length} bytes");
        }
        std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
        assert!(load(&path, &Device::Cpu).is_err());
    }
}

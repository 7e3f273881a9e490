//! Tables in files.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod files {
    use crate::script::bind::prelude::*;

    type Frame = crate::frame::Frame;

    /// Writes a frame to a file in the output folder, as CSV with a header. Floats read back to the same bits.
    ///
    /// Example: `frame(#{ delta: [0.1, ()] }).write_csv("deltas.csv");
    /// read_csv(output_folder() + "/deltas.csv").column("delta")` is `[0.1, ()]`
    #[rhai_fn(return_raw)]
    pub fn write_csv(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write_csv(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Writes a frame to a Parquet file in the output folder.
    ///
    /// Example: `frame(#{ layer: 0..3 }).write_parquet("layers.parquet");
    /// read_parquet(output_folder() + "/layers.parquet").height` is `3`
    #[rhai_fn(return_raw)]
    pub fn write_parquet(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write_parquet(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Writes a frame to a file in the output folder: `.csv` or `.parquet`.
    ///
    /// Errors: a name that ends otherwise.
    ///
    /// Example: `frame(#{ layer: 0..3 }).save("layers.csv")`
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_frame(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Reads a CSV file with a header. A column is of integers, numbers or bools where all its values are, else
    /// of strings; an empty field is `()`, and a quoted one always a string.
    ///
    /// Errors: a row of another number of fields than the header.
    ///
    /// Example: `write_text("scores.csv", "model,score\nbase,0.5\nPT2,\n");
    /// read_csv(output_folder() + "/scores.csv")[1]` is `#{"model": "PT2", "score": ()}`
    #[rhai_fn(return_raw)]
    pub fn read_csv(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read_csv(Context::of(&call)?.input_path(path)?)?)
    }

    /// Reads a Parquet file.
    ///
    /// Example: `frame(#{ model: ["base", "PT2"] }).save("models.parquet");
    /// read_parquet(output_folder() + "/models.parquet").column("model")` is `["base", "PT2"]`
    #[rhai_fn(return_raw)]
    pub fn read_parquet(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read_parquet(Context::of(&call)?.input_path(path)?)?)
    }

    /// Reads a frame from a `.csv` or a `.parquet` file.
    ///
    /// Errors: a name that ends otherwise.
    ///
    /// Example: `frame(#{ layer: 0..3 }).save("cells.csv");
    /// read_frame(output_folder() + "/cells.csv").column("layer")` is `[0, 1, 2]`
    #[rhai_fn(return_raw)]
    pub fn read_frame(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read(Context::of(&call)?.input_path(path)?)?)
    }
}

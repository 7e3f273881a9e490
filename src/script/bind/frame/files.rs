//! Tables in files.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod files {
    use crate::script::bind::prelude::*;

    type Frame = crate::frame::Frame;

    /// Writes a frame to the file `path` in the output folder, as CSV with a header. Floats read back to the
    /// same bits.
    ///
    /// Errors: a `path` that leaves the output folder, a file that cannot be written.
    ///
    /// Example: `frame(#{ delta: [0.1, ()] }).write_csv("deltas.csv");
    /// read_csv(output_folder() + "/deltas.csv").column("delta")` is `[0.1, ()]`
    #[rhai_fn(return_raw)]
    pub fn write_csv(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write_csv(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Writes a frame to the Parquet file `path` in the output folder.
    ///
    /// Errors: a `path` that leaves the output folder, a file that cannot be written.
    ///
    /// Example: `frame(#{ layer: 0..3 }).write_parquet("layers.parquet");
    /// read_parquet(output_folder() + "/layers.parquet").height` is `3`
    #[rhai_fn(return_raw)]
    pub fn write_parquet(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write_parquet(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Writes a frame to the file `path` in the output folder: `.csv` or `.parquet`.
    ///
    /// Errors: a `path` that ends otherwise or leaves the output folder, a file that cannot be written.
    ///
    /// Example: `frame(#{ layer: 0..3 }).save("layers.csv")`
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_frame(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Reads the CSV file `path`, which has a header. A column is of integers, numbers or bools where all its
    /// values are, else of strings; an empty field is `()`, and a quoted one always a string.
    ///
    /// Errors: a file that is not there, may not be read or is no UTF-8 text; a row of another number of
    /// fields than the header, two columns of one name, a quoted field that is not closed.
    ///
    /// Example: `write_text("scores.csv", "model,score\nbase,0.5\nPT2,\n");
    /// read_csv(output_folder() + "/scores.csv")[1]` is `#{"model": "PT2", "score": ()}`
    #[rhai_fn(return_raw)]
    pub fn read_csv(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read_csv(Context::of(&call)?.input_path(path)?)?)
    }

    /// Reads the Parquet file `path`.
    ///
    /// Errors: a file that is not there or may not be read, one that is damaged or of another kind, a column
    /// of lists, structures or dates.
    ///
    /// Example: `frame(#{ model: ["base", "PT2"] }).save("models.parquet");
    /// read_parquet(output_folder() + "/models.parquet").column("model")` is `["base", "PT2"]`
    #[rhai_fn(return_raw)]
    pub fn read_parquet(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read_parquet(Context::of(&call)?.input_path(path)?)?)
    }

    /// Reads a frame from the `.csv` or `.parquet` file `path`.
    ///
    /// Errors: a `path` that ends otherwise, and those of `read_csv` and `read_parquet`.
    ///
    /// Example: `frame(#{ layer: 0..3 }).save("cells.csv");
    /// read_frame(output_folder() + "/cells.csv").column("layer")` is `[0, 1, 2]`
    #[rhai_fn(return_raw)]
    pub fn read_frame(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read(Context::of(&call)?.input_path(path)?)?)
    }
}

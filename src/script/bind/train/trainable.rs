//! What is trained, as scripts see it.

use rhai::plugin::*;

use crate::script::value::script_value;

script_value!(crate::train::Trainable: "something to train");

#[export_module(manifest)]
pub mod trainables {
    use candle_core::DType;

    use crate::device;
    use crate::frame::{Column, Frame as Table};
    use crate::lora::config;
    use crate::script::bind::prelude::*;
    use crate::script::bind::train::options;
    use crate::tensor::NamedTensor;
    use crate::train;

    type Model = crate::model::Model;
    type Adapter = crate::lora::Adapter;
    type Frame = crate::frame::Frame;
    /// A model of which some tensors are trained: an adapter beside a frozen base, or all weights. Copies share
    /// what is trained.
    pub type Trainable = crate::train::Trainable;

    /// A fresh adapter (LoRA) to be trained beside the model's frozen weights. At first it changes nothing.
    ///
    /// Options: `rank` (integer, 64): of each change; `alpha` (number, 32.0): the change is scaled by alpha /
    /// rank; `dropout` (number, 0.0): share of its inputs left out at random in supervised steps; `targets`
    /// ("all-linear" | array | string, "all-linear"): an array of module names such as ["q_proj", "v_proj"], or
    /// a regular expression on whole names; `exclude` (array | string, none): modules that are left alone,
    /// named in the same way; `layers` (integer | array | range, all): such as 11..=23; `parts` (string |
    /// array, all): a part as `keep` takes it, such as "L11-L23_MLP"; `seed` (integer, the run's): of the first
    /// values; `name` (string, "adapter"): what the adapter is called.
    ///
    /// Errors: targets that fit no module list the model's modules; layers beside a regular expression.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2, targets: ["q_proj", "v_proj"],
    /// layers: 11..=12 }).parameters().height` is `8`
    #[rhai_fn(return_raw)]
    pub fn lora(call: NativeCallContext, model: Model, options: Map) -> ScriptResult<Trainable> {
        let options = options::lora(options, Context::of(&call)?.seed())?;
        Ok(train::lora::fresh(&model, options)?)
    }

    #[rhai_fn(name = "lora", return_raw)]
    pub fn lora_plainly(call: NativeCallContext, model: Model) -> ScriptResult<Trainable> {
        lora(call, model, Map::new())
    }

    /// Weights of a model, to be trained: those of an adapter that exists already, beside the frozen weights of
    /// its base, or without one all. Model and adapter themselves stay as they are.
    ///
    /// Errors: weights in another format than float32, an adapter of another base.
    ///
    /// Example: `load_model("mora/tiny-ipd").trainable(load_adapter("mora/tiny-ipd/PT2")).n_parameters`
    /// is `252928`
    #[rhai_fn(return_raw)]
    pub fn trainable(model: Model, adapter: Adapter) -> ScriptResult<Trainable> {
        Ok(Trainable::adapter(&model, &adapter)?)
    }

    #[rhai_fn(name = "trainable", return_raw)]
    pub fn trainable_weights(model: Model) -> ScriptResult<Trainable> {
        Ok(Trainable::full(&model)?)
    }

    /// Tensors of your own, of any shape, to be trained beside a model's frozen weights: `tensors` is a map
    /// from names to them, which stay as they are. A loss uses them with the model: `trainer.step(|model,
    /// tensors| …)`.
    ///
    /// Errors: no tensors, a value that is no tensor, a tensor of another number format than `f32`.
    ///
    /// Example: `load_model("mora/tiny-ipd").trainable(#{ direction: zeros([64]) }).n_parameters` is `64`
    #[rhai_fn(name = "trainable", return_raw)]
    pub fn trainable_tensors(model: Model, tensors: Map) -> ScriptResult<Trainable> {
        let tensors = tensors
            .iter()
            .map(|(name, value)| {
                let tensor = argument::<NamedTensor>("trainable", &format!("tensors.{name}"), value)?;
                Ok((name.to_string(), tensor.into_tensor()))
            })
            .collect::<crate::Result<_>>()?;
        Ok(Trainable::tensors(&model, tensors)?)
    }

    /// The tensors that are trained as they are now, a map by name, each in its shape; later steps leave it
    /// as it is.
    ///
    /// Errors: no memory on the device for a copy.
    ///
    /// Example: `let own = load_model("mora/tiny-ipd").trainable(#{ direction: zeros([64]) });
    /// own.trainer(#{ lr: 0.1 }).step(|model, tensors| (tensors.direction - 1.0).square().mean());
    /// fixed(own.tensors.direction[0].item(), 3)` is `0.100`
    #[rhai_fn(get = "tensors", return_raw)]
    pub fn tensors(trainable: Trainable) -> ScriptResult<Map> {
        let mut map = Map::new();
        for parameter in trainable.parameters() {
            let tensor = parameter.var.as_detached_tensor().copy().map_err(crate::Error::from)?;
            map.insert(parameter.name.as_str().into(), Dynamic::from(NamedTensor::from(tensor)));
        }
        Ok(map)
    }

    /// The model as it is now, for everything that models can do; later steps leave it as it is.
    ///
    /// Errors: no memory on the device for a copy.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).model.adapter` is `adapter`
    #[rhai_fn(get = "model", return_raw)]
    pub fn model(trainable: Trainable) -> ScriptResult<Model> {
        Ok(trainable.model()?)
    }

    /// The model as it was before training: with the adapter off.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).reference.adapter == ()` is `true`
    #[rhai_fn(get = "reference")]
    pub fn reference(trainable: Trainable) -> Model {
        trainable.reference().clone()
    }

    /// The adapter as it is now; later steps leave it as it is.
    ///
    /// Errors: where no adapter is trained.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2, name: "fresh" }).current_adapter()`
    /// is `fresh: LoRA of rank 2 on 182 modules in 26 layers, 63232 parameters`
    #[rhai_fn(name = "current_adapter", return_raw)]
    pub fn current_adapter(trainable: Trainable) -> ScriptResult<Adapter> {
        Ok(trainable.current_adapter()?)
    }

    /// Numbers that are trained.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).n_parameters` is `63232`
    #[rhai_fn(get = "n_parameters")]
    pub fn n_parameters(trainable: Trainable) -> i64 {
        trainable.n_parameters() as i64
    }

    /// The share of all numbers, the base's and those beside it, that is trained: 0 to 1.
    ///
    /// Example: `load_model("mora/tiny-ipd").trainable().share` is `1.0`
    #[rhai_fn(get = "share")]
    pub fn share(trainable: Trainable) -> f64 {
        trainable.share()
    }

    /// What is trained, tensor by tensor: a frame with `name`, `shape`, `n` (numbers) and `norm` (root of the
    /// sum of squares, as it is now).
    ///
    /// Errors: none on a CPU; on another device, numbers that cannot be copied from it.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2, targets: ["q_proj"],
    /// layers: 0 }).parameters().column("shape")` is `["[2, 64]", "[128, 2]"]`
    #[rhai_fn(return_raw)]
    pub fn parameters(trainable: Trainable) -> ScriptResult<Frame> {
        let parameters = trainable.parameters();
        let norms = parameters
            .iter()
            .map(|p| Ok(f64::from(p.var.as_detached_tensor().sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt()))
            .collect::<crate::Result<Vec<f64>>>()?;
        Ok(Table::new([
            ("name", Column::texts(parameters.iter().map(|p| p.name.clone()))),
            ("shape", Column::texts(parameters.iter().map(|p| format!("{:?}", p.var.dims())))),
            ("n", Column::ints(parameters.iter().map(|p| p.var.elem_count() as i64))),
            ("norm", Column::floats(norms)),
        ])?)
    }

    /// One line: what is trained, how many numbers, and what share of all.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn trainable_to_string(trainable: Trainable) -> String {
        trainable.describe()
    }

    /// Writes a model into `folder` in the output folder, as transformers does: `config.json`, the
    /// tokenizer's files, `model.safetensors`. `load_model` opens it.
    ///
    /// Options: `dtype` ("f32" | "bf16" | "f16", "f32"): what the weights are stored as.
    ///
    /// Errors: a model with an adapter beside it, or from a GGUF file, a `folder` that leaves the output
    /// folder, files that cannot be written.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd");
    /// model.merged(load_adapter("mora/tiny-ipd/PT2")).save("merged", #{ dtype: "bf16" });
    /// load_model(output_folder() + "/merged").n_layers` is `26`
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_model(call: NativeCallContext, model: Model, folder: &str, options: Map) -> ScriptResult<()> {
        let mut options = Options::of("save", options);
        let dtype = device::dtype(&options.get("dtype", DType::F32.as_str().to_owned())?)?;
        options.finish()?;
        let context = Context::of(&call)?;
        let file = context.output_path(&format!("{folder}/config.json"))?;
        for name in ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
        {
            context.output_path(&format!("{folder}/{name}"))?;
        }
        Ok(model.save(file.parent().unwrap_or(context.run().folder()), dtype)?)
    }

    #[rhai_fn(name = "save", return_raw)]
    pub fn save_model_plainly(call: NativeCallContext, model: Model, folder: &str) -> ScriptResult<()> {
        save_model(call, model, folder, Map::new())
    }

    /// Writes an adapter into `folder` as peft does, in a number format of its own: see `save` without
    /// options.
    ///
    /// Options: `dtype` ("f32" | "bf16" | "f16", "f32"): what the tensors are stored as.
    ///
    /// Errors: an unknown number format, and those of `save` without options.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").save("half", #{ dtype: "f16" });
    /// load_adapter(output_folder() + "/half").n_parameters` is `252928`
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_adapter_as(
        call: NativeCallContext,
        adapter: Adapter,
        folder: &str,
        options: Map,
    ) -> ScriptResult<()> {
        let mut options = Options::of("save", options);
        let dtype = device::dtype(&options.get("dtype", DType::F32.as_str().to_owned())?)?;
        options.finish()?;
        let context = Context::of(&call)?;
        let file = context.output_path(&format!("{folder}/{}", config::FILE))?;
        context.output_path(&format!("{folder}/{}", crate::lora::files::WEIGHTS))?;
        Ok(adapter.save_as(file.parent().unwrap_or(context.run().folder()), dtype)?)
    }
}

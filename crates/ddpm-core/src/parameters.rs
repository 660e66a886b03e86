//! Parameters of any module as a list of flat vectors, and under the names that a checkpoint has for them.

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};

use crate::CoreError;

/// One flat tensor a parameter, in the order in which the module visits them: the vector space in which moving
/// averages, Fisher information, projections and penalties are computed.
#[derive(Debug, Clone)]
pub struct ParameterVector<B: Backend> {
    entries: Vec<(ParamId, Tensor<B, 1>)>,
}

impl<B: Backend> ParameterVector<B> {
    /// The parameters of a module.
    pub fn of<M: Module<B>>(module: &M) -> Self {
        let mut collector = Collector { entries: Vec::new() };
        module.visit(&mut collector);
        Self { entries: collector.entries }
    }

    /// From ids and values, in the order of the module.
    pub fn from_entries(entries: Vec<(ParamId, Tensor<B, 1>)>) -> Self {
        Self { entries }
    }

    /// The parameters' ids and values, taken out.
    pub fn into_entries(self) -> Vec<(ParamId, Tensor<B, 1>)> {
        self.entries
    }

    /// The parameters' ids and values.
    pub fn entries(&self) -> impl Iterator<Item = (ParamId, &Tensor<B, 1>)> {
        self.entries.iter().map(|(id, tensor)| (*id, tensor))
    }

    /// Combines two vectors entry by entry.
    ///
    /// # Panics
    /// If they do not belong to the same module.
    #[must_use]
    pub fn zip(self, other: Self, combine: impl Fn(Tensor<B, 1>, Tensor<B, 1>) -> Tensor<B, 1>) -> Self {
        assert_eq!(self.entries.len(), other.entries.len(), "parameter vectors of different modules");
        let entries = self
            .entries
            .into_iter()
            .zip(other.entries)
            .map(|((id, a), (_, b))| (id, combine(a, b)))
            .collect();
        Self { entries }
    }

    /// Every number changed alike, entry by entry.
    #[must_use]
    pub fn map(self, change: impl Fn(Tensor<B, 1>) -> Tensor<B, 1>) -> Self {
        Self { entries: self.entries.into_iter().map(|(id, tensor)| (id, change(tensor))).collect() }
    }

    /// `self + factor other`
    ///
    /// # Panics
    /// If they do not belong to the same module.
    #[must_use]
    pub fn plus(self, other: Self, factor: f64) -> Self {
        self.zip(other, |a, b| a + b.mul_scalar(factor))
    }

    /// Zeros in the places of this vector.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.clone().map(|tensor| tensor.zeros_like())
    }

    /// The scalar product, `[1]`; it is not read by the host.
    ///
    /// # Panics
    /// If they do not belong to the same module, or there are no parameters.
    pub fn dot(&self, other: &Self) -> Tensor<B, 1> {
        assert_eq!(self.entries.len(), other.entries.len(), "parameter vectors of different modules");
        let products =
            self.entries.iter().zip(&other.entries).map(|((_, a), (_, b))| (a.clone() * b.clone()).sum());
        products.reduce(|a, b| a + b).expect("a module with parameters")
    }

    /// All numbers, one parameter after another.
    pub fn to_floats(&self) -> Vec<f32> {
        self.entries
            .iter()
            .flat_map(|(_, tensor)| tensor.to_data().convert::<f32>().iter::<f32>().collect::<Vec<_>>())
            .collect()
    }

    /// The same parameters with other numbers, in the order of [`to_floats`](Self::to_floats).
    ///
    /// # Panics
    /// If there are not as many.
    #[must_use]
    pub fn with_floats(&self, values: &[f32]) -> Self {
        assert_eq!(values.len(), self.len(), "numbers for another module");
        let mut rest = values;
        let entries = self
            .entries
            .iter()
            .map(|(id, old)| {
                let (these, others) = rest.split_at(old.dims()[0]);
                rest = others;
                (*id, Tensor::from_data(these, ddpm_kernels::floats_on::<B>(&old.device())))
            })
            .collect();
        Self { entries }
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|(_, t)| t.dims()[0]).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<B: Backend> Default for ParameterVector<B> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

struct Collector<B: Backend> {
    entries: Vec<(ParamId, Tensor<B, 1>)>,
}

impl<B: Backend> ModuleVisitor<B> for Collector<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        let n = value.shape().num_elements();
        self.entries.push((param.id, value.reshape([n])));
    }
}

/// The module with other values for its parameters.
///
/// # Panics
/// If the vector does not belong to the module.
pub fn with_parameters<B: Backend, M: Module<B>>(module: M, vector: ParameterVector<B>) -> M {
    let mut values = vector.entries.into_iter();
    module.map(&mut Replacer { next: || values.next().expect("one value a parameter").1 })
}

/// A module under autodiff with other values, which come without.
///
/// # Panics
/// If the vector does not belong to the module.
pub fn with_inner_parameters<B: AutodiffBackend, M: Module<B>>(
    module: M,
    vector: ParameterVector<B::InnerBackend>,
) -> M {
    let lifted = vector.entries.into_iter().map(|(id, value)| (id, Tensor::from_inner(value)));
    with_parameters::<B, M>(module, ParameterVector { entries: lifted.collect() })
}

struct Replacer<F> {
    next: F,
}

impl<B: Backend, F: FnMut() -> Tensor<B, 1>> ModuleMapper<B> for Replacer<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let value = (self.next)();
        // A new tensor is not tracked by autodiff unless told to be.
        param.map(|old| value.reshape(old.dims()).detach().set_require_grad(old.is_require_grad()))
    }
}

/// Takes the gradients of a module's parameters out of their container, in the order of the parameters; zeros for those
/// that have none.
pub fn take_gradients<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    grads: &mut GradientsParams,
) -> ParameterVector<B::InnerBackend> {
    let mut taker = Taker { grads, entries: Vec::new() };
    module.visit(&mut taker);
    ParameterVector { entries: taker.entries }
}

struct Taker<'a, I: Backend> {
    grads: &'a mut GradientsParams,
    entries: Vec<(ParamId, Tensor<I, 1>)>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Taker<'_, B::InnerBackend> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let n = param.shape().num_elements();
        let grad = match self.grads.remove::<B::InnerBackend, D>(param.id) {
            Some(grad) => grad.reshape([n]),
            None => Tensor::zeros([n], ddpm_kernels::floats_on::<B::InnerBackend>(&param.device())),
        };
        self.entries.push((param.id, grad));
    }
}

/// The container that an optimiser takes, of a vector of gradients.
///
/// # Panics
/// If the vector does not belong to the module.
pub fn gradients_from<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    vector: ParameterVector<B::InnerBackend>,
) -> GradientsParams {
    let mut giver = Giver { entries: vector.entries.into_iter(), grads: GradientsParams::new() };
    module.visit(&mut giver);
    giver.grads
}

struct Giver<I: Backend> {
    entries: std::vec::IntoIter<(ParamId, Tensor<I, 1>)>,
    grads: GradientsParams,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Giver<B::InnerBackend> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let (_, grad) = self.entries.next().expect("a gradient for each parameter");
        self.grads.register::<B::InnerBackend, D>(param.id, grad.reshape(param.shape()));
    }
}

/// Every parameter of a module under its name in a checkpoint (`down_blocks.0.resnets.0.conv1.weight`), on the host.
pub fn named_parameters<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, TensorData> {
    let mut namer = Namer { path: Vec::new(), found: BTreeMap::new() };
    module.visit(&mut namer);
    namer.found
}

struct Namer {
    path: Vec<String>,
    found: BTreeMap<String, TensorData>,
}

impl<B: Backend> ModuleVisitor<B> for Namer {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.found.insert(self.path.join("."), param.val().into_data().convert::<f32>());
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

/// Name and shape of every parameter, in the order of [`ParameterVector`].
pub fn parameter_names<B: Backend, M: Module<B>>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut lister = Lister { path: Vec::new(), found: Vec::new() };
    module.visit(&mut lister);
    lister.found
}

struct Lister {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
}

impl<B: Backend> ModuleVisitor<B> for Lister {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.found.push((self.path.join("."), param.shape().to_vec()));
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

/// The module with the values of a checkpoint.
///
/// # Errors
/// [`CoreError::Tensor`] for a name that is missing or too many, or a shape that differs.
pub fn with_named_parameters<B: Backend, M: Module<B>>(
    module: M,
    mut values: HashMap<String, TensorData>,
) -> Result<M, CoreError> {
    let mut loader = Loader { path: Vec::new(), values: &mut values, problem: None };
    let module = module.map(&mut loader);
    if let Some(problem) = loader.problem {
        return Err(problem);
    }
    match values.into_keys().min() {
        Some(name) => Err(CoreError::tensor(name, "the model has no parameter of this name")),
        None => Ok(module),
    }
}

struct Loader<'a> {
    path: Vec<String>,
    values: &'a mut HashMap<String, TensorData>,
    problem: Option<CoreError>,
}

impl<B: Backend> ModuleMapper<B> for Loader<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let name = self.path.join(".");
        let expected = param.shape();
        match self.values.remove(&name) {
            Some(value) if value.shape == expected => {
                return param.map(|old| {
                    let tensor = Tensor::from_data(
                        value.convert::<f32>(),
                        ddpm_kernels::floats_on::<B>(&old.device()),
                    );
                    tensor.set_require_grad(old.is_require_grad())
                });
            }
            Some(value) => {
                let (shape, expected) = (value.shape.to_vec(), expected.to_vec());
                let problem = format!("its shape is {shape:?}, the model's is {expected:?}");
                self.problem.get_or_insert(CoreError::tensor(name, problem));
            }
            None => {
                self.problem.get_or_insert(CoreError::tensor(name, "missing from the checkpoint"));
            }
        }
        param
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

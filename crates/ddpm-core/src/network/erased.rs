//! Visitors and mappers of Burn's modules without their types, so that a module can be an object.
//!
//! Burn's traits are generic over a parameter's rank; here it is a number, and the parameter an [`Any`].

use std::any::Any;

use burn::{
    module::{ModuleMapper, ModuleVisitor, Param},
    tensor::{Bool, Int, Tensor, backend::Backend},
};

/// A [`ModuleVisitor`] as an object.
pub(super) trait ErasedVisitor<B: Backend> {
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
    fn float(&mut self, rank: usize, param: &dyn Any);
    fn int(&mut self, rank: usize, param: &dyn Any);
    fn bool(&mut self, rank: usize, param: &dyn Any);
}

/// A [`ModuleMapper`] as an object.
pub(super) trait ErasedMapper<B: Backend> {
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
    fn float(&mut self, rank: usize, param: Box<dyn Any>) -> Box<dyn Any>;
    fn int(&mut self, rank: usize, param: Box<dyn Any>) -> Box<dyn Any>;
    fn bool(&mut self, rank: usize, param: Box<dyn Any>) -> Box<dyn Any>;
}

const OTHER_RANK: &str = "a parameter has the rank that it is handed over with";

/// Calls `$method` with the parameter's type, for every rank that Burn's modules have.
macro_rules! with_rank {
    ($rank:expr, $param:ident, $kind:ident, |$typed:ident, $D:ident| $call:expr, $($n:literal)*) => {
        match $rank {
            $($n => {
                const $D: usize = $n;
                let $typed = $param.$kind().expect(OTHER_RANK);
                $call
            })*
            rank => panic!("parameters of rank {rank} are not supported: expected 1 to 8"),
        }
    };
}

macro_rules! visit {
    ($self:ident, $rank:ident, $param:ident, $visit:ident $(, $kind:ty)?) => {
        with_rank!($rank, $param, downcast_ref, |typed, D| {
            let typed: &Param<Tensor<B, D $(, $kind)?>> = typed;
            $self.$visit(typed);
        }, 1 2 3 4 5 6 7 8)
    };
}

macro_rules! map {
    ($self:ident, $rank:ident, $param:ident, $map:ident $(, $kind:ty)?) => {
        with_rank!($rank, $param, downcast, |typed, D| {
            let typed: Box<Param<Tensor<B, D $(, $kind)?>>> = typed;
            Box::new($self.$map(*typed))
        }, 1 2 3 4 5 6 7 8)
    };
}

impl<B: Backend, V: ModuleVisitor<B>> ErasedVisitor<B> for V {
    fn enter(&mut self, name: &str, container: &str) {
        self.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.exit_module(name, container);
    }

    fn float(&mut self, rank: usize, param: &dyn Any) {
        visit!(self, rank, param, visit_float);
    }

    fn int(&mut self, rank: usize, param: &dyn Any) {
        visit!(self, rank, param, visit_int, Int);
    }

    fn bool(&mut self, rank: usize, param: &dyn Any) {
        visit!(self, rank, param, visit_bool, Bool);
    }
}

impl<B: Backend, M: ModuleMapper<B>> ErasedMapper<B> for M {
    fn enter(&mut self, name: &str, container: &str) {
        self.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.exit_module(name, container);
    }

    fn float(&mut self, rank: usize, param: Box<dyn Any>) -> Box<dyn Any> {
        map!(self, rank, param, map_float)
    }

    fn int(&mut self, rank: usize, param: Box<dyn Any>) -> Box<dyn Any> {
        map!(self, rank, param, map_int, Int)
    }

    fn bool(&mut self, rank: usize, param: Box<dyn Any>) -> Box<dyn Any> {
        map!(self, rank, param, map_bool, Bool)
    }
}

/// An object as the visitor that a module wants.
pub(super) struct Visiting<'a, B: Backend>(pub &'a mut dyn ErasedVisitor<B>);

impl<B: Backend> ModuleVisitor<B> for Visiting<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.float(D, param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<B, D, Int>>) {
        self.0.int(D, param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<B, D, Bool>>) {
        self.0.bool(D, param);
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

/// An object as the mapper that a module wants.
pub(super) struct Mapping<'a, B: Backend>(pub &'a mut dyn ErasedMapper<B>);

fn of_the_same_type<P: 'static>(mapped: Box<dyn Any>) -> P {
    *mapped.downcast().expect("a mapper gives back the type of parameter that it was given")
}

impl<B: Backend> ModuleMapper<B> for Mapping<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        of_the_same_type(self.0.float(D, Box::new(param)))
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<B, D, Int>>) -> Param<Tensor<B, D, Int>> {
        of_the_same_type(self.0.int(D, Box::new(param)))
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<B, D, Bool>>) -> Param<Tensor<B, D, Bool>> {
        of_the_same_type(self.0.bool(D, Box::new(param)))
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

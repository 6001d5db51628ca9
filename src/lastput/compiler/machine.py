"""Native code: from an LLVM module to machine code in this process, by way of an object file."""

from __future__ import annotations

import llvmlite.binding as llvm


def _machine(opt: int = 2) -> llvm.TargetMachine:
    """A new one each time: an execution engine destroys the one it was given."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features(),
        opt=opt,
        reloc="pic",
        codemodel="jitdefault",
        jit=True,
    )


def _features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


def host() -> str:
    """What machine code made here depends on."""
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {_features()} {llvm.llvm_version_info}"


def compile_object(text: str, *, thorough: bool) -> bytes:
    """Make an object file of LLVM assembly.

    `thorough` optimises all it can and merges the steps into `expand`: for small models, whose
    searches can be long. Otherwise only what is cheap: a model of many steps would take a minute
    to optimise, and its search seldom gets that minute back.
    """
    machine = _machine(opt=2 if thorough else 0)
    module = llvm.parse_assembly(text)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2 if thorough else 1)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, tuning)
    passes = builder.getModulePassManager() if thorough else _cheap_passes()
    passes.run(module, builder)
    return bytes(machine.emit_object(module))


def _cheap_passes() -> llvm.ModulePassManager:
    # Variables become registers. To combine instructions takes half as long again, and no search is faster.
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    return passes


class Loaded:
    """Machine code in memory; addresses stay valid as long as this object lives."""

    def __init__(self, code: bytes) -> None:
        machine = _machine()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Address of an exported function."""
        found = int(self._engine.get_function_address(name))
        if not found:
            raise RuntimeError(f"{name} is missing from the compiled model")
        return found

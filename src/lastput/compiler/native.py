"""Native code: from an LLVM module to machine code in this process, by way of an object file."""

from __future__ import annotations

import llvmlite.binding as llvm


def _machine() -> llvm.TargetMachine:
    """A new one each time: an execution engine destroys the one it was given."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features(),
        opt=2,
        reloc="pic",
        codemodel="jitdefault",
        jit=True,
    )


def _features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


def host() -> str:
    """What machine code made here depends on."""
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {_features()} {llvm.llvm_version_info}"


def compile_object(text: str, *, inline: bool) -> bytes:
    """Optimise LLVM assembly and make an object file. `inline`: merge the steps into `expand`."""
    machine = _machine()
    module = llvm.parse_assembly(text)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2 if inline else 1)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.inlining_threshold = 225 if inline else 0
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


class Loaded:
    """Machine code in memory; addresses stay valid as long as this object lives."""

    def __init__(self, code: bytes) -> None:
        _machine()
        empty = llvm.parse_assembly("")
        self._engine = llvm.create_mcjit_compiler(empty, _machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Address of an exported function."""
        found = int(self._engine.get_function_address(name))
        if not found:
            raise RuntimeError(f"{name} is missing from the compiled model")
        return found

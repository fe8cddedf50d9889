import Layers
import Tensors

// Parts shared by the U-Nets of the DDPM family.

/// `time_mlp`: the timestep embedding that conditions all blocks.
struct TimeEmbedding: Sendable {
  private let sinusoids: SinusoidalEmbedding
  private let linear1: Linear
  private let linear2: Linear

  init(_ builder: ParameterBuilder, width: Int, timeWidth: Int) {
    sinusoids = SinusoidalEmbedding(width: width)
    linear1 = Linear(builder[1], width, timeWidth)
    linear2 = Linear(builder[3], timeWidth, timeWidth)
  }

  /// -> [B, time width].
  func callAsFunction(_ timesteps: [Float], on tape: Tape) -> Tensor {
    linear2(linear1(sinusoids(timesteps, on: tape)).gelu())
  }
}

/// `Residual(PreNorm(Attention))` or `Residual(PreNorm(LinearAttention))`; the output of the linear one is normalised
/// again.
struct ResidualAttention: Sendable {
  private let norm: GroupNorm
  private let attention: ImageAttention
  private let outputNorm: GroupNorm?

  init(_ builder: ParameterBuilder, kind: AttentionKind, channels: Int) {
    let module = builder["fn"]["fn"]
    norm = GroupNorm(builder["fn"]["norm"], groups: 1, channels: channels)
    switch kind {
    case .softmax:
      attention = ImageAttention(module, output: module["to_out"], kind: .softmax, channels: channels)
      outputNorm = nil
    case .linear:
      attention = ImageAttention(module, output: module["to_out"][0], kind: .linear, channels: channels)
      outputNorm = GroupNorm(module["to_out"][1], groups: 1, channels: channels)
    }
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    x.tape.checkpointed {
      let attentionOutput = attention(norm(x))
      return outputNorm.map { $0(attentionOutput, residual: x) } ?? attentionOutput + x
    }
  }
}

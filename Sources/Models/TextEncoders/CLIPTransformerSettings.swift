import Layers
import Settings

/// The keys that `CLIPTextConfig` and `CLIPVisionConfig` share.
public struct CLIPTransformerSettings: Hashable, Sendable {
  public let width: Int
  /// Hidden width of an MLP.
  public let hiddenWidth: Int
  public let layers: Int
  public let heads: Int
  public let activation: CLIPActivation
  public let epsilon: Float
  /// Initial standard deviation of vision embeddings.
  let range: Float
  /// Factor applied to the standard deviations of all initial weights.
  let factor: Float

  /// Initial standard deviation of layers that read a normalised input, smaller for deeper networks.
  var inputDeviation: Float { factor / Float(2 * layers * width).squareRoot() }

  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader, width: Int, hiddenWidth: Int, heads: Int) throws {
    self.width = try reader.value(
      "hidden_size", default: width, in: 1...16_384, help: "numbers of a token")
    self.hiddenWidth = try reader.value(
      "intermediate_size", default: hiddenWidth, in: 1...65_536,
      help: "numbers between the two layers of a perceptron")
    layers = try reader.value("num_hidden_layers", default: 12, in: 1...1024, help: "number of layers")
    self.heads = try reader.value(
      "num_attention_heads", default: heads, in: 1...1024, help: "attention heads of a layer")
    activation = try reader.choice(
      "hidden_act", default: .quickGELU, help: "activation function of the perceptrons")
    epsilon = Float(
      try reader.value(
        "layer_norm_eps", default: 1e-5, in: 0.0...1.0, help: "added to the variance of each normalisation"))
    range = Float(
      try reader.value(
        "initializer_range", default: 0.02, in: 0.0...100.0, help: "deviation of new embeddings"))
    factor = Float(
      try reader.value(
        "initializer_factor", default: 1.0, in: 0.0...100.0,
        help: "what the deviations of new weights are multiplied by"))
    try reader.computes("attention_dropout", only: 0.0, or: [0], help: "dropout of the attention")
    try reader.computes("dropout", only: 0.0, or: [0], help: "dropout")
    reader.keepTransformersKeys()
    guard self.width % self.heads == 0 else {
      throw reader.invalid(
        "num_attention_heads", "must divide hidden_size (\(self.width)), is \(self.heads)")
    }
  }
}

/// The activation functions named by transformers' `hidden_act`, as far as linear layers support them.
public enum CLIPActivation: String, CaseIterable, Sendable {
  case quickGELU = "quick_gelu"
  case gelu
  case tanhGELU = "gelu_pytorch_tanh"
  /// An alias of `gelu_pytorch_tanh`.
  case newGELU = "gelu_new"
  case silu
  /// An alias of `silu`.
  case swish

  var linear: LinearActivation {
    switch self {
    case .quickGELU: .quickGELU
    case .gelu: .gelu
    case .tanhGELU, .newGELU: .tanhGELU
    case .silu, .swish: .silu
    }
  }
}

extension SettingsReader {
  /// Accepts keys of transformers' `config.json` that have no effect on any network.
  ///
  /// - Parameter used: keys among them that this network does use.
  func keepTransformersKeys(except used: Set<String> = []) {
    let keys = [
      "_name_or_path", "_attn_implementation_autoset", "add_cross_attention", "architectures",
      "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward", "cross_attention_hidden_size",
      "decoder_start_token_id", "diversity_penalty", "do_sample", "dtype", "early_stopping",
      "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "finetuning_task",
      "forced_bos_token_id", "forced_eos_token_id", "id2label", "is_decoder", "is_encoder_decoder",
      "label2id", "length_penalty", "max_length", "min_length", "model_type", "no_repeat_ngram_size",
      "num_beam_groups", "num_beams", "num_return_sequences", "output_attentions", "output_hidden_states",
      "output_scores", "prefix", "problem_type", "projection_dim", "pruned_heads", "remove_invalid_values",
      "repetition_penalty", "return_dict", "return_dict_in_generate", "sep_token_id", "suppress_tokens",
      "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tie_word_embeddings",
      "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version",
      "typical_p", "use_bfloat16",
    ]
    for key in keys where !used.contains(key) { kept(key) }
  }
}

"""What nets learn from: pictures in batches, and dark captures made from clean photographs."""

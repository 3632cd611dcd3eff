export { ImageRepository, type IImageRepository, type ImageRepositoryProps } from "./image-repository";
